#!/bin/sh
# ./dev fuzz [--seconds N | --runs N] [NAME...]: libFuzzer invents bytes for
# what takes them from elsewhere, under ASan and UBSan: for each target of
# tests/fuzz, or those named, a minute if nothing else is said. It begins with
# the target's folder and with what it found before (build/fuzz/kept/NAME).
# Bytes that end the target are kept, and the command to have it again printed.

. tools/dev/lib.sh

FUZZ_PACKAGES="clang libclang-rt-14-dev"

limit=-max_total_time=60
names=
while [ $# -gt 0 ]; do
    case $1 in
    --seconds | --runs)
        [ $# -ge 2 ] || fail 2 "$1 takes a number"
        case $2 in
        '' | 0* | *[!0-9]*) fail 2 "$1 takes a number from 1, not '$2'" ;;
        esac
        [ "$1" = --runs ] && limit=-runs=$2 || limit=-max_total_time=$2
        shift
        ;;
    -*) fail 2 "what is '$1' for? ./dev help lists the commands" ;;
    *)
        [ -d "tests/fuzz/$1" ] ||
            fail 2 "there is no target '$1'; there are:" \
                "$(cd tests/fuzz && echo */ | tr -d /)"
        names="$names $1"
        ;;
    esac
    shift
done

# shellcheck disable=SC2086 # One word is one package.
need $BUILD_PACKAGES $FUZZ_PACKAGES
CC=clang CXX=clang++ build fuzz -Dfuzz=true -Dtests=disabled -Dbench=disabled \
    -Db_sanitize=address,undefined -Db_lundef=false

[ -n "$names" ] || names=$(cd tests/fuzz && echo */ | tr -d /)
passed=0
failed=0
for name in $names; do
    program=build/fuzz/tests/fuzz/fuzz_$name
    [ -x "$program" ] || { say "$name is not built here"; continue; }
    found=build/fuzz/kept/$name
    mkdir -p "$found"
    dict=
    [ ! -f "tests/fuzz/$name.dict" ] || dict=-dict=tests/fuzz/$name.dict
    # shellcheck disable=SC2086 # No word, or one.
    if UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 "$program" \
        "$limit" $dict -max_len=20000 -timeout=10 -print_final_stats=1 \
        -artifact_prefix="build/fuzz/$name-" "$found" "tests/fuzz/$name" \
        >"build/fuzz/$name.log" 2>&1; then
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' \
            "build/fuzz/$name.log")
        echo "ok - $name, $runs runs, $(find "$found" -type f | wc -l) inputs kept"
        passed=$((passed + 1))
    else
        tail -n 60 "build/fuzz/$name.log"
        kept=$(sed -n 's/.*Test unit written to //p' "build/fuzz/$name.log")
        echo "not ok - $name; again: $program $kept"
        failed=$((failed + 1))
    fi
done
echo "$passed passed, $failed failed"
[ "$passed" -gt 0 ] && [ "$failed" -eq 0 ]
