#!/bin/sh
# ./dev cover: which lines of the library and the programs the tests reach, file
# by file, with those they do not; in full in build/cover/lines/index.html.

. tools/dev/lib.sh

no_more "$@"
# shellcheck disable=SC2086 # One word is one package.
need $BUILD_PACKAGES $TEST_PACKAGES gcovr
build cover -Db_coverage=true
find build/cover -name '*.gcda' -delete
status=0
/usr/bin/python3 tools/dev/suites.py build/cover || status=$?
mkdir -p build/cover/lines
gcovr --root . --object-directory build/cover --filter src/ --filter app/ \
    --exclude-unreachable-branches --html-details build/cover/lines/index.html \
    --print-summary --txt -
exit $status
