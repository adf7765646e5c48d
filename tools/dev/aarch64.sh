#!/bin/sh
# The build for aarch64, run on any machine by qemu-user: sourced by check.sh.
#
# Debian's cross compiler brings the C library. liburing comes as the arm64
# package, fetched with lists of its own and unpacked in build/aarch64.root: the
# machine's package manager never hears of a second architecture.

# shellcheck disable=SC2034 # Used by check.sh.
AARCH64_PACKAGES="gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user"
AARCH64_ROOT=build/aarch64.root

arm64_apt()
{
    apt-get -q -o APT::Architecture=arm64 -o APT::Architectures=arm64 \
        -o APT::Sandbox::User=root \
        -o Dir::State::Lists="$root/lists" -o Dir::Cache="$root/cache" "$@"
}

aarch64_root()
{
    [ ! -f "$AARCH64_ROOT/cross.ini" ] || return 0
    root=$PWD/$AARCH64_ROOT
    say "liburing for arm64 will be unpacked in $AARCH64_ROOT"
    mkdir -p "$AARCH64_ROOT/lists/partial" \
        "$AARCH64_ROOT/cache/archives/partial"
    arm64_apt update
    (cd "$root" && arm64_apt download liburing2 liburing-dev)
    for package in "$AARCH64_ROOT"/*.deb; do
        dpkg-deb -x "$package" "$AARCH64_ROOT"
    done
    aarch64_cross_file >"$AARCH64_ROOT/cross.ini"
}

aarch64_cross_file()
{
    libraries=$PWD/$AARCH64_ROOT/usr/lib/aarch64-linux-gnu
    cat <<END
[binaries]
c = 'aarch64-linux-gnu-gcc'
ar = 'aarch64-linux-gnu-ar'
strip = 'aarch64-linux-gnu-strip'
pkgconfig = 'pkg-config'
exe_wrapper = ['env', 'LD_LIBRARY_PATH=$libraries', 'qemu-aarch64', '-L', '/usr/aarch64-linux-gnu']

[properties]
pkg_config_libdir = '$libraries/pkgconfig'
sys_root = '$PWD/$AARCH64_ROOT'

[host_machine]
system = 'linux'
cpu_family = 'aarch64'
cpu = 'cortex-a72'
endian = 'little'
END
}
