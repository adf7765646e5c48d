#!/bin/sh
# What the commands of ./dev share: how to speak, how to get packages, how to
# build. Sourced by the scripts beside it, which run in the tree's root.

# shellcheck disable=SC2034 # The package lists are used by those scripts.

set -eu

# What the libraries, the programs and the tests are built from.
BUILD_PACKAGES="gcc g++ libc6-dev meson ninja-build pkg-config python3
    liburing-dev libc-ares-dev libcurl4-openssl-dev libssl-dev
    libjpeg62-turbo-dev libsqlite3-dev"

# What the tests use beyond that: Pillow is the judge of the edge pictures, and
# /etc/services names the ports.
TEST_PACKAGES="python3-pil python3-numpy netbase"

# What the site is made by.
SITE_PACKAGES="python3 python3-markdown-it"

# Programs of others that the tests talk to. Tests that miss one are skipped.
PEER_PACKAGES="curl dnsmasq-base netcat-openbsd openssl redis-tools socat"

# nginx would start itself if it was installed; it is unpacked in the cache.
NGINX_PACKAGES="nginx libnginx-mod-http-echo"
NGINX_LIBRARIES="libcrypt1 libpcre2-8-0 libssl3 zlib1g"

CACHE=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/libasyncio/demo

say()
{
    printf 'dev: %s\n' "$*"
}

# Ends the command. Code 2 is for what the caller has to do first.
fail()
{
    code=$1
    shift
    printf 'dev: %s\n' "$*" >&2
    exit "$code"
}

# Ends a command whose arguments have all been read, if some are left.
no_more()
{
    [ $# -eq 0 ] || fail 2 "what is '$1' for? ./dev help lists the commands"
}

# Prints those of the named packages that are not installed.
missing_packages()
{
    installed=$(dpkg-query -W -f '${db:Status-Abbrev}${Package}\n' "$@" \
        2>/dev/null | sed -n 's/^ii *//p') || :
    for package; do
        printf '%s\n' "$installed" | grep -Fqx "$package" || echo "$package"
    done
}

# Whether sudo needs no password, or somebody is there to type it.
have_sudo()
{
    sudo -n true 2>/dev/null || { [ -t 0 ] && command -v sudo >/dev/null; }
}

# A command as root, whoever calls, without a question of its own. Prints what
# to type and ends when nobody can be asked for the right.
as_root()
{
    if [ "$(id -u)" = 0 ]; then
        DEBIAN_FRONTEND=noninteractive "$@"
    elif have_sudo; then
        sudo DEBIAN_FRONTEND=noninteractive "$@"
    else
        fail 2 "this needs root; type: su -c '$*'"
    fi
}

# Fetches the lists of packages when one of the named is not known yet.
know_packages()
{
    for package; do
        [ -n "$(apt-cache show --no-all-versions "$package" 2>/dev/null)" ] &&
            continue
        as_root apt-get update -q
        return
    done
}

# Installs what is missing of the named packages, and says so first. Lists that
# have grown old name versions that are gone: they are fetched anew once.
need()
{
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null
    then
        say_what_is_needed "$@"
        return
    fi
    # shellcheck disable=SC2046 # One word is one package.
    set -- $(missing_packages "$@")
    [ $# -gt 0 ] || return 0

    say "these packages are missing and will be installed:" "$@"
    [ "$(id -u)" = 0 ] || have_sudo ||
        fail 2 "this needs root once; type: su -c 'apt-get update &&" \
            "apt-get install --no-install-recommends $*'"
    know_packages "$@"
    as_root apt-get install -q -y --no-install-recommends "$@" </dev/null ||
        { as_root apt-get update -q &&
            as_root apt-get install -q -y --no-install-recommends "$@" \
                </dev/null; } ||
        fail 1 "the packages could not be installed"
}

# Elsewhere than on Debian the names differ, so they are only named.
say_what_is_needed()
{
    for tool in gcc meson ninja pkg-config python3; do
        command -v $tool >/dev/null && continue
        fail 2 "$tool is missing. This is not Debian: please install what" \
            "Debian calls" "$@"
    done
    say "this is not Debian; if something is missing, it is one of:" "$@"
}

# Unpacks the newest of the named packages into the cache's folder $1, whole or
# not at all: the folder gets its name when everything is in it.
unpack()
{
    folder=$CACHE/$1
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

# Gets the programs of others that the tests talk to, as far as it can.
need_peers()
{
    command -v apt-get >/dev/null || return 0
    # shellcheck disable=SC2086 # One word is one package.
    (need $PEER_PACKAGES $NGINX_LIBRARIES && unpack nginx $NGINX_PACKAGES) ||
        say "tests that need what is missing are skipped"
}

# The files that meson finds by itself, so that no test is ever forgotten. Meson
# looks when it is configured; a new file has to make it look again.
found_files()
{
    ls tests/*.c tests/*/*.c tests/app/*.sh bench/*.c examples/*/*.c \
        2>/dev/null || :
}

# Builds in build/NAME, set up by the first call with the options given.
build()
{
    folder=build/$1
    shift
    if [ ! -f "$folder/build.ninja" ]; then
        rm -rf "$folder"
        configure "$folder" "$@"
    elif [ "$(cat "$folder/found" 2>/dev/null)" != "$(found_files)" ]; then
        configure --reconfigure "$folder"
    fi
    if ninja -n -C "$folder" | grep -q 'no work to do'; then
        return
    fi
    ninja -C "$folder" || fail 1 "the build in $folder failed"
}

# Prints what is built and what is left out; all that meson says if it fails.
configure()
{
    mkdir -p build
    meson setup "$@" >build/setup.log 2>&1 ||
        { cat build/setup.log >&2; fail 1 "meson could not set up $folder"; }
    found_files >"$folder/found"
    sed -n '/^libasyncio [0-9]/,/^Found ninja/p' build/setup.log
}
