#!/bin/sh
# ./dev demo [--python] [--rounds N] [--timeline]: the main job on real
# photographs.
#
# Twelve photographs of Debian's mate-backgrounds are served by nginx over
# loopback, 80 ms late each, and the four picture programs download and
# edge-detect them; every picture is checked before its version gets a line in
# the table. With --python the Python originals take part, round by round. With
# --timeline a trace of async_v3 is checked and drawn for the guide.

. tools/dev/lib.sh
. tools/dev/photographs.sh

# The arguments are read before anything is installed for them.
packages="$BUILD_PACKAGES $PHOTOGRAPH_PACKAGES"
python=
rounds=1
timeline=
while [ $# -gt 0 ]; do
    case $1 in
    --python)
        python=--python
        packages="$packages $ORIGINALS_PACKAGES"
        ;;
    --rounds)
        rounds=${2:-}
        [ $# -lt 2 ] || shift
        ;;
    --rounds=*) rounds=${1#*=} ;;
    --timeline) timeline=--timeline ;;
    *) fail 2 "the demo takes --python, --rounds N and --timeline, and not '$1'" ;;
    esac
    shift
done
case $rounds in
'' | 0* | *[!0-9]*) fail 2 "--rounds takes a number from 1" ;;
esac

command -v apt-get >/dev/null ||
    fail 2 "the demo takes its photographs and its server from Debian packages"
# shellcheck disable=SC2086 # One word is one package.
need $packages
make_photographs
build gcc
# shellcheck disable=SC2086 # Nothing, or one word.
exec /usr/bin/python3 tools/dev/demo.py "$CACHE" --rounds "$rounds" $python \
    $timeline
