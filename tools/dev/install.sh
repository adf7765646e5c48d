#!/bin/sh
# ./dev install [PREFIX]: installs libraries, headers and pkg-config files
# below PREFIX, /usr/local if not given, and says what to set where pkg-config
# and the loader do not look there. What is installed has no assertions.

. tools/dev/lib.sh

prefix=${1:-/usr/local}
[ $# -eq 0 ] || shift
no_more "$@"
case $prefix in
/*) ;;
*) fail 2 "the prefix must begin with /" ;;
esac
# shellcheck disable=SC2086 # One word is one package.
need $BUILD_PACKAGES
build release --buildtype=release -Dprefix="$prefix"
if ! grep -Fqx "prefix=$prefix" build/release/meson-private/libasyncio.pc; then
    meson configure build/release -Dprefix="$prefix"
    ninja -C build/release >/dev/null || fail 1 "the build failed"
fi
if [ -w "$prefix" ] || { [ ! -e "$prefix" ] && mkdir -p "$prefix" 2>/dev/null; }
then
    meson install -C build/release --quiet --no-rebuild
    [ "$(id -u)" != 0 ] || ldconfig
else
    as_root meson install -C "$PWD/build/release" --quiet --no-rebuild
    as_root ldconfig
fi
/usr/bin/python3 tools/reference/reference.py build build/reference
if [ -w "$prefix/share" ] || [ -w "$prefix" ]; then
    mkdir -p "$prefix/share/man"
    cp -R build/reference/man/. "$prefix/share/man"
else
    as_root mkdir -p "$prefix/share/man"
    as_root cp -R build/reference/man/. "$prefix/share/man"
fi
say "installed below $prefix"

file=$(find "$prefix"/lib* -name libasyncio.pc | head -n 1)
folder=$(dirname "$(dirname "$file")")
[ "$(pkg-config --variable=prefix libasyncio 2>/dev/null)" = "$prefix" ] ||
    say "before building with it:  export PKG_CONFIG_PATH=$folder/pkgconfig"
/sbin/ldconfig -p 2>/dev/null | grep -Fq "$folder/libasyncio.so" ||
    say "before running with it:   export LD_LIBRARY_PATH=$folder"
