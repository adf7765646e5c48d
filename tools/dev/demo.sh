#!/bin/sh
# ./dev demo [--python] [--rounds N] [--timeline]: the main job on real
# photographs.
#
# Twelve photographs of Debian's mate-backgrounds are served by nginx over
# loopback, 80 ms late each, and the four picture programs download and
# edge-detect them; every picture is checked before its version gets a line in
# the table. With --python the Python originals take part, round by round. With
# --timeline a trace of async_v3 is checked and drawn for the guide.
#
# mate-backgrounds and nginx are unpacked into a cache and not installed: the
# one is of no use here but for its files, the other would start itself.

. tools/dev/lib.sh

PHOTOGRAPHS="Aqua Blinds Dune FreshFlower Garden GreenMeadow LadyBird RainDrops
    Storm TwoWings Wood YellowFlower"
PYTHON_PACKAGES="python3-requests python3-httpx python3-aiofiles python3-pil
    python3-numpy"

# Brings each photograph to 1920x1080, once: filled, the middle kept.
make_photographs()
{
    [ ! -d "$CACHE/photographs" ] || return 0
    say "making twelve photographs of 1920x1080 with GraphicsMagick"
    rm -rf "$CACHE/photographs.new"
    mkdir -p "$CACHE/photographs.new"
    for name in $PHOTOGRAPHS; do
        gm convert \
            "$CACHE/mate-backgrounds/usr/share/backgrounds/mate/nature/$name.jpg" \
            -resize '1920x1080^' -gravity center -extent 1920x1080 \
            +profile '*' -quality 85 "$CACHE/photographs.new/$name.jpg" ||
            fail 1 "$name.jpg could not be converted"
    done
    mv "$CACHE/photographs.new" "$CACHE/photographs"
}

# The arguments are read before anything is installed for them.
packages="$BUILD_PACKAGES graphicsmagick $NGINX_LIBRARIES"
python=
rounds=1
timeline=
while [ $# -gt 0 ]; do
    case $1 in
    --python)
        python=--python
        packages="$packages $PYTHON_PACKAGES"
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
# shellcheck disable=SC2086 # One word is one package.
unpack nginx $NGINX_PACKAGES
unpack mate-backgrounds mate-backgrounds
make_photographs
build gcc
# shellcheck disable=SC2086 # Nothing, or one word.
exec /usr/bin/python3 tools/dev/demo.py "$CACHE" --rounds "$rounds" $python \
    $timeline
