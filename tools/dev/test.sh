#!/bin/sh
# ./dev test [--seeds N] [NAME...]: builds with gcc and runs the suites, all of
# them or those named, on both pollers and, if they are about what it has, in
# the simulator. Ends with a line that counts tests:
# `N passed, N failed`, and `, N skipped` where a poller is denied. --seeds runs
# each test that has virtual time and checks no order in N orders of its tasks.

. tools/dev/lib.sh

# shellcheck disable=SC2086 # One word is one package.
need $BUILD_PACKAGES $TEST_PACKAGES
need_peers
build gcc
exec /usr/bin/python3 tools/dev/suites.py build/gcc "$@"
