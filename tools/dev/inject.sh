#!/bin/sh
# ./dev inject alloc|syscall|cancel [OPTION...] [NAME...]: the fault loop. Each
# test runs once for every allocation (or system call) that it makes, and that
# one fails; or once for every await and each way to cancel there. No run may
# crash, hang, keep anything, or swallow a cancel. Of calls that are alike, as a
# transfer of much makes them, some are taken, or all with --every; --share N
# takes one of N, and --poller P runs on that one only.
#
# ./dev inject workers [--seed N] [--share N]: worker processes are killed,
# crash, are stopped and run out of memory, at each step of a job. All of it on
# epoll, a tenth on io_uring, which has no part in it.

. tools/dev/lib.sh

kind=${1:-}
case $kind in
alloc | syscall | cancel | workers) shift ;;
syscalls)
    kind=syscall
    shift
    ;;
*) fail 2 "inject what? ./dev inject alloc, syscall or cancel, and names of" \
    "tests; or ./dev inject workers" ;;
esac
# shellcheck disable=SC2086 # One word is one package.
need $BUILD_PACKAGES $TEST_PACKAGES
build gcc
if [ "$kind" = workers ]; then
    say "on epoll"
    ASYNCIO_BACKEND=epoll build/gcc/tests/inject_workers "$@"
    [ $# -eq 0 ] || exit 0
    say "on io_uring, if the kernel allows it"
    exec build/gcc/tests/inject_workers --share 10
fi
exec /usr/bin/python3 tools/dev/suites.py build/gcc --inject "$kind" "$@"
