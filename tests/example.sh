#!/bin/sh
# Runs an example and compares what it prints with its `// expect:` lines.
#
#     example.sh PROGRAM SOURCE

set -u
program=$1
source=$2
name=$(basename "$source")

echo 1..1
wanted=$(sed -n 's,^// expect: ,,p' "$source")
words=$(mktemp)
trap 'rm -f "$words"' EXIT
# shellcheck disable=SC2086 # The wrapper, of a foreign machine, is a command.
printed=$(${MESON_EXE_WRAPPER:-} "$program" 2>"$words")
status=$?
cat "$words" >&2
missing=$(sed -n 's/.*\(worker processes cannot be confined here\)/\1/p' "$words")
if [ -n "$wanted" ] && [ "$status" -eq 0 ] && [ "$printed" = "$wanted" ]; then
    echo "ok 1 - $name prints what it promises"
    exit 0
fi
if [ -n "$missing" ]; then
    echo "ok 1 - $name prints what it promises # SKIP $missing"
    exit 0
fi
echo "not ok 1 - $name prints what it promises"
printf 'status %s, printed:\n%s\nexpected:\n%s\n' "$status" "$printed" \
    "$wanted" | sed 's/^/# /'
exit 1
