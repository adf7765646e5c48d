#!/bin/sh
# ./dev simulate [--seeds N] [--first N]: a client, a server and a copy job in
# simulated worlds that break, 100,000 of them unless told otherwise, on all
# processors. Ends with what happened in them and a line that counts them; each
# that failed has a line that runs it again:
#
#     ./dev simulate --seed N [--trace]
#
# ./dev simulate --compare [N]: gcc and clang make the same runs of N seeds, 200
# unless told otherwise.

. tools/dev/lib.sh

# Builds the program in build/NAME with the options of meson that follow.
build_simulate()
{
    # shellcheck disable=SC2086 # One word is one package.
    need $BUILD_PACKAGES
    build "$@"
}

# The one number that is made of all runs.
hash_of()
{
    "build/$1/tests/simulate" --seeds "$2" --hash | sed -n 's/^hash //p'
}

compare()
{
    seeds=$1
    need clang
    build_simulate gcc
    CC=clang CXX=clang++ build_simulate clang
    gcc=$(hash_of gcc "$seeds")
    clang=$(hash_of clang "$seeds")
    say "$seeds seeds by gcc: $gcc, by clang: $clang"
    if [ -z "$gcc" ] || [ "$gcc" != "$clang" ]; then
        fail 1 "these are not the same runs"
    fi
}

if [ "${1:-}" = --compare ]; then
    shift
    compare "${1:-200}"
    exit
fi
build_simulate gcc
exec build/gcc/tests/simulate "$@"
