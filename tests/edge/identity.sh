#!/bin/sh
# Checks that the edge code writes what Pillow writes:
#
#     identity.sh EDGE [REFERENCE]
#
# EDGE is a command that takes FROM and TO (tests/edge/edge_tool.c), REFERENCE
# one that does the same by other code (tests/edge/reference.c). Each picture
# of make_pictures.py goes through the Python originals' edge code and through
# EDGE; good pictures through REFERENCE, too. The results must be the same
# bytes; where Pillow refuses, EDGE must refuse, in a sentence, and leave no
# file. Prints one line for each picture; exits 0 when all are well.
set -eu

python=${PYTHON:-/usr/bin/python3} # the one that Debian's packages are for
edge=$1
reference=${2:-}
# A sanitizer that finds something must not look like a refusal.
ASAN_OPTIONS=${ASAN_OPTIONS:-}:exitcode=99
UBSAN_OPTIONS=${UBSAN_OPTIONS:-}:exitcode=99
export ASAN_OPTIONS UBSAN_OPTIONS
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
passed=0
failed=0

pass()
{
    echo "ok   $1"
    passed=$((passed + 1))
}

fail()
{
    echo "FAIL $1"
    failed=$((failed + 1))
}

run()
{
    status=0
    "$edge" "$1" "$2" 2>"$work/said" || status=$?
}

check_same()
{
    if [ "$status" -ne 0 ]; then
        fail "$name: Pillow takes it, but: $(cat "$work/said")"
    elif ! cmp "$work/python/$name" "$work/edge/$name"; then
        fail "$name: differs from Pillow's"
    else
        pass "$name: the same bytes"
    fi
}

check_refused()
{
    if [ "$status" -ne 1 ]; then
        fail "$name: Pillow refuses it, but the exit status is $status"
    elif [ ! -s "$work/said" ]; then
        fail "$name: refused without a word"
    elif [ -e "$work/edge/$name" ]; then
        fail "$name: refused, but a file was left"
    else
        pass "$name: $(sed "s|$work/pictures/||" "$work/said")"
    fi
}

check_good()
{
    [ -e "$work/python/$name" ] || fail "$name: Pillow refuses it"
    [ -n "$reference" ] || return 0
    if "$reference" "$1" "$work/reference.jpg" &&
        cmp "$work/python/$name" "$work/reference.jpg"; then
        pass "$name: the same bytes by the reference"
    else
        fail "$name: the reference differs from Pillow"
    fi
}

# A failure must leave what was there before.
check_old_file_kept()
{
    name="an older result"
    echo old >"$work/edge/old.jpg"
    run "$work/pictures/bad_cut_in_half.jpg" "$work/edge/old.jpg"
    if [ "$status" -eq 1 ] && [ "$(cat "$work/edge/old.jpg")" = old ]; then
        pass "$name outlives a failure"
    else
        fail "$name was touched by a failure"
    fi
    rm -f "$work/edge/old.jpg"
}

check_unusable_paths()
{
    good=$work/pictures/good_noise.jpg
    for pair in "$work/missing.jpg $work/edge/x.jpg" \
        "$work/edge $work/edge/x.jpg" "$good $work/no/folder/x.jpg" \
        "$good $good/x.jpg" "$good $work/edge"; do
        # shellcheck disable=SC2086  # two words on purpose
        set -- $pair
        run "$1" "$2"
        said=$(sed "s|$work/||g" "$work/said")
        if [ "$status" -eq 1 ] && [ -n "$said" ]; then
            pass "$said"
        else
            fail "status $status for $pair: $said"
        fi
    done
}

check_no_leftovers()
{
    left=$(find "$work" -name '.*.part-*')
    if [ -z "$left" ]; then
        pass "no hidden file is left"
    else
        fail "hidden files are left: $left"
    fi
}

"$python" -B "$here/make_pictures.py" "$work/pictures"
if "$python" -B "$here/pillow_edges.py" "$work/pictures" "$work/python" \
    "$here/../../bench/python"; then
    pass "both Python forms agree"
else
    fail "the two Python forms differ"
fi

mkdir "$work/edge"
for picture in "$work/pictures"/*.jpg; do
    name=${picture##*/}
    run "$picture" "$work/edge/$name"
    if [ -e "$work/python/$name" ]; then
        check_same
    else
        check_refused
    fi
    case $name in
    good_*) check_good "$picture" ;;
    esac
done
check_old_file_kept
check_unusable_paths
check_no_leftovers

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
