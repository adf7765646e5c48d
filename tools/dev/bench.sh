#!/bin/sh
# ./dev bench [NAME [ARGUMENT...]]: runs one benchmark, built as the library is
# installed; without a name, lists them with the question each one asks.

. tools/dev/lib.sh

if [ $# -eq 0 ]; then
    for file in bench/*.c; do
        [ -f "$file" ] || fail 1 "there is no benchmark yet"
        name=$(basename "$file" .c)
        printf '%-12s %s\n' "$name" "$(sed -n '1s|^// *||p' "$file")"
    done
    exit 0
fi
name=$1
shift
case $name in
*/*) fail 2 "'$name' is no benchmark; see ./dev bench" ;;
esac
[ -f "bench/$name.c" ] || fail 2 "there is no bench/$name.c; see ./dev bench"
# shellcheck disable=SC2086 # One word is one package.
need $BUILD_PACKAGES
build release --buildtype=release
exec "build/release/bench/$name" "$@"
