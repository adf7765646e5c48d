#!/bin/sh
# The twelve photographs of the picture job, and what its Python originals need.
# Sourced, after lib.sh, by the commands that run that job.
#
# mate-backgrounds and nginx are unpacked into a cache and not installed: the
# one is of no use here but for its files, the other would start itself.

# shellcheck disable=SC2034 # The package lists are used by those scripts.

PHOTOGRAPHS="Aqua Blinds Dune FreshFlower Garden GreenMeadow LadyBird RainDrops
    Storm TwoWings Wood YellowFlower"
PHOTOGRAPH_PACKAGES="graphicsmagick $NGINX_LIBRARIES"
ORIGINALS_PACKAGES="python3-requests python3-httpx python3-aiofiles python3-pil
    python3-numpy"

# Unpacks the server and the photographs, and brings each of these to 1920x1080,
# once: filled, the middle kept.
make_photographs()
{
    # shellcheck disable=SC2086 # One word is one package.
    unpack nginx $NGINX_PACKAGES
    unpack mate-backgrounds mate-backgrounds
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
