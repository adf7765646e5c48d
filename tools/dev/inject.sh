#!/bin/sh
# ./dev inject alloc|syscall|cancel [NAME...]: the fault loop. Each test runs
# once for every allocation (or system call) that it makes, and that one fails;
# or once for every await and each way to cancel there. No run may crash, hang,
# keep anything, or swallow a cancel.

. tools/dev/lib.sh

kind=${1:-}
case $kind in
alloc | syscall | cancel) shift ;;
*) fail 2 "inject what? ./dev inject alloc, syscall or cancel, and names of" \
    "tests" ;;
esac
# shellcheck disable=SC2086 # One word is one package.
need $BUILD_PACKAGES $TEST_PACKAGES
build gcc
exec /usr/bin/python3 tools/dev/suites.py build/gcc --inject "$kind" "$@"
