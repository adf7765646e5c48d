#!/bin/sh
# ./dev bench [NAME [ARGUMENT...]]: runs one benchmark, built as the library is
# installed; without a name, lists them with the question each one asks.
# ./dev bench core runs all that others can do, too, beside what they do.
# ./dev bench examples runs the examples and the picture job, in C and Python.

. tools/dev/lib.sh
. tools/dev/photographs.sh

# What others are built from, and run by. What cannot be had is left out of the
# comparison, which says so.
OTHERS="libuv1-dev libst-dev libasio-dev libboost-context-dev golang-go
    python3-uvloop librust-tokio-dev"

need_others()
{
    command -v apt-get >/dev/null || return 0
    command -v node >/dev/null || OTHERS="$OTHERS nodejs"
    command -v cargo >/dev/null || OTHERS="$OTHERS cargo rustc"
    # shellcheck disable=SC2086 # One word is one package.
    (need $OTHERS) || for package in $OTHERS; do
        (need "$package") || say "what needs $package is left out"
    done
    # shellcheck disable=SC2086 # One word is one package.
    (need $NGINX_LIBRARIES && unpack nginx $NGINX_PACKAGES) ||
        say "nginx is left out"
}

if [ $# -eq 0 ]; then
    for file in bench/*.c; do
        [ -f "$file" ] || fail 1 "there is no benchmark yet"
        name=$(basename "$file" .c)
        printf '%-12s %s\n' "$name" "$(sed -n '1s|^// *||p' "$file")"
    done
    printf '%-12s %s\n' core "How do all of these stand beside others?" \
        "" "(--rounds N, --quick, --store, --peers NAME,..., W1 ... W12)"
    printf '%-12s %s\n' examples "How do the examples stand beside Python's?" \
        "" "(--rounds N, --store)"
    exit 0
fi
name=$1
shift
case $name in
*/*) fail 2 "'$name' is no benchmark; see ./dev bench" ;;
esac
[ "$name" = core ] || [ "$name" = examples ] || [ -f "bench/$name.c" ] ||
    fail 2 "there is no bench/$name.c; see ./dev bench"
if [ "$name" = examples ]; then
    command -v apt-get >/dev/null ||
        fail 2 "the photographs and their server come from Debian packages"
    # shellcheck disable=SC2086 # One word is one package.
    need $BUILD_PACKAGES $PHOTOGRAPH_PACKAGES $ORIGINALS_PACKAGES
    make_photographs
    build release --buildtype=release
    exec /usr/bin/python3 tools/dev/harness.py "$CACHE" "$@"
fi
# shellcheck disable=SC2086 # One word is one package.
need $BUILD_PACKAGES
build release --buildtype=release
[ "$name" = core ] || exec "build/release/bench/$name" "$@"
need_others
NGINX=$CACHE/nginx/usr/sbin/nginx exec /usr/bin/python3 tools/dev/core.py "$@"
