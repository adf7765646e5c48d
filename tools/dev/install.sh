#!/bin/sh
# ./dev install [PREFIX]: installs libraries, headers and pkg-config files
# below PREFIX, /usr/local if not given. What is installed has no assertions.

. tools/dev/lib.sh

prefix=${1:-/usr/local}
case $prefix in
/*) ;;
*) fail 2 "the prefix must begin with /" ;;
esac
# shellcheck disable=SC2086 # One word is one package.
need $BUILD_PACKAGES
build release --buildtype=release
if [ "$(cat build/release/prefix 2>/dev/null)" != "$prefix" ]; then
    meson configure build/release -Dprefix="$prefix"
    echo "$prefix" >build/release/prefix
    build release
fi
if [ -w "$prefix" ] || { [ ! -e "$prefix" ] && mkdir -p "$prefix" 2>/dev/null; }
then
    meson install -C build/release --quiet
else
    as_root meson install -C "$PWD/build/release" --quiet
fi
[ "$(id -u)" != 0 ] || ldconfig
say "installed below $prefix"
