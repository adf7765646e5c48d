#!/bin/sh
# ./dev demo [--python] [--rounds N]: the main job on real photographs.
#
# Twelve photographs of Debian's mate-backgrounds are served by nginx over
# loopback, 80 ms late each, and the four picture programs download and
# edge-detect them; every picture is checked before its version gets a line in
# the table. With --python the Python originals take part, round by round.
#
# mate-backgrounds and nginx are unpacked into a cache and not installed: the
# one is of no use here but for its files, the other would start itself.

. tools/dev/lib.sh

PHOTOGRAPHS="Aqua Blinds Dune FreshFlower Garden GreenMeadow LadyBird RainDrops
    Storm TwoWings Wood YellowFlower"
NGINX_LIBRARIES="libcrypt1 libpcre2-8-0 libssl3 zlib1g"
PYTHON_PACKAGES="python3-requests python3-httpx python3-aiofiles python3-pil
    python3-numpy"

cache=${XDG_CACHE_HOME:-$HOME/.cache}/libasyncio/demo

# Unpacks the newest of the named packages into the cache's folder $1, whole or
# not at all: the folder gets its name when everything is in it.
unpack()
{
    folder=$cache/$1
    shift
    [ ! -d "$folder" ] || return 0
    say "unpacking into $folder (not installed):" "$@"
    know_packages "$@"
    rm -rf "$folder.new"
    mkdir -p "$folder.new"
    (cd "$folder.new" && download "$@") ||
        { as_root apt-get update -q &&
            (cd "$folder.new" && download "$@"); } ||
        fail 1 "could not download:" "$@"
    for package in "$folder.new"/*.deb; do
        dpkg-deb -x "$package" "$folder.new"
        rm "$package"
    done
    mv "$folder.new" "$folder"
}

# Root's downloads are not handed to apt's own user: the cache is root's.
download()
{
    apt-get -q -o APT::Sandbox::User=root download "$@"
}

# Brings each photograph to 1920x1080, once: filled, the middle kept.
make_photographs()
{
    [ ! -d "$cache/photographs" ] || return 0
    say "making twelve photographs of 1920x1080 with GraphicsMagick"
    rm -rf "$cache/photographs.new"
    mkdir -p "$cache/photographs.new"
    for name in $PHOTOGRAPHS; do
        gm convert \
            "$cache/mate-backgrounds/usr/share/backgrounds/mate/nature/$name.jpg" \
            -resize '1920x1080^' -gravity center -extent 1920x1080 \
            +profile '*' -quality 85 "$cache/photographs.new/$name.jpg" ||
            fail 1 "$name.jpg could not be converted"
    done
    mv "$cache/photographs.new" "$cache/photographs"
}

# The arguments are read before anything is installed for them.
packages="$BUILD_PACKAGES graphicsmagick $NGINX_LIBRARIES"
python=
rounds=1
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
    *) fail 2 "the demo takes --python and --rounds N, and not '$1'" ;;
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
unpack nginx nginx libnginx-mod-http-echo
unpack mate-backgrounds mate-backgrounds
make_photographs
build gcc
# shellcheck disable=SC2086 # Nothing, or one word.
exec /usr/bin/python3 tools/dev/demo.py "$cache" --rounds "$rounds" $python
