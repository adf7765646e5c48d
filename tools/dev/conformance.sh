#!/bin/sh
# ./dev conformance: runs the suites and prints, for each area of
# docs/semantics.md, how many of its promises are proven on which poller. Ends
# with code 1 when one is neither proven nor in the table of exceptions.

. tools/dev/lib.sh

no_more "$@"
# shellcheck disable=SC2086 # One word is one package.
need $BUILD_PACKAGES $TEST_PACKAGES
build gcc
exec /usr/bin/python3 tools/dev/conformance.py build/gcc
