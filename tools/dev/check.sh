#!/bin/sh
# ./dev check [NAME...]: what must hold of the tree beyond its tests. All of
# the checks, or those named; each says ok or what it found, the last line
# counts them. `asan-gcc` and `asan-clang` run every suite under ASan and UBSan.

. tools/dev/lib.sh
. tools/dev/aarch64.sh

ALL="format headers rooms symbols reference examples guide performance shell"
ALL="$ALL release tidy asan-gcc asan-clang tsan aarch64 valgrind instructions"
CHECK_PACKAGES="clang clang-format clang-tidy libclang-rt-14-dev shellcheck"
STRICT="-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -fsyntax-only"

c_files()
{
    find include src app examples tests bench tools -name '*.[ch]' | sort
}

public_headers()
{
    (cd include && find . -name '*.h' | sed 's|^\./||' | sort)
}

check_format()
{
    status=0
    for file in $(c_files); do
        clang-format --dry-run -Werror "$file" 2>/dev/null && continue
        echo "$file is not as clang-format -i would leave it"
        status=1
    done
    return $status
}

# Each public header alone, as the first line of a program in each language
# and by each compiler that we promise it to.
check_headers()
{
    status=0
    for header in $(public_headers); do
        for language in "gcc -xc -std=c17" "clang -xc -std=c17" \
            "g++ -xc++ -std=c++20" "clang++ -xc++ -std=c++20" \
            "g++ -xc++ -std=c++17" "clang++ -xc++ -std=c++17"; do
            # shellcheck disable=SC2086 # One word is one argument.
            echo "#include <$header>" | $language $STRICT -Iinclude - && continue
            echo "<$header> does not compile alone with $language"
            status=1
        done
    done
    return $status
}

check_rooms()
{
    /usr/bin/python3 tools/dev/rooms.py
}

# What we add to a program's names begins with asyncio_, in both forms of each
# library.
check_symbols()
{
    build gcc
    shared=$(find build/gcc/src -name 'lib*.so')
    archives=$(find build/gcc/src -name 'lib*.a')
    # shellcheck disable=SC2086 # One word is one file.
    strangers=$({ nm -D --defined-only $shared; nm -g --defined-only $archives; } |
        awk 'NF == 3 && $3 !~ /^asyncio_/ { print $3 }')
    [ -z "$strangers" ] || { echo "$strangers"; return 1; }
}

# The comments of the headers are the reference: each declaration has one, and
# every page that is made of them is sound.
check_reference()
{
    need groff-base man-db
    /usr/bin/python3 tools/reference/reference.py check || return 1
    /usr/bin/python3 tools/reference/reference.py build build/reference
    pages=$(cd build/reference/man && ls man?/*) || return 1
    (cd build/reference/man &&
        for page in $pages; do
            groff -Kutf8 -ww -man -Tutf8 -z "$page" || exit 1
        done) 2>&1 | awk '{ print } END { exit NR > 0 }'
}

# Whoever looks for how a function is used finds a program that runs; and the
# lists of programs name those that there are.
# shellcheck disable=SC2046 # One word is one file.
check_examples()
{
    /usr/bin/python3 tools/dev/example_list.py || return 1
    build gcc
    /usr/bin/python3 tools/reference/reference.py examples \
        $(find build/gcc/src -name 'lib*.so') -- \
        $(find build/gcc/examples -type f -perm -100)
}

# The tables and the chart say what the stored figures do.
check_performance()
{
    /usr/bin/python3 tools/dev/performance.py check
}

# What the guide quotes, names and links to is there; and on the site that is
# made of it, each link leads somewhere.
# shellcheck disable=SC2086 # One word is one package.
check_guide()
{
    /usr/bin/python3 tools/site/guide.py check || return 1
    need $SITE_PACKAGES
    /usr/bin/python3 tools/site/site.py build/site &&
        /usr/bin/python3 tools/site/site.py --check build/site
}

check_shell()
{
    shellcheck -x dev .ci/run tools/dev/*.sh &&
        for script in dev tools/dev/*.sh; do
            dash -n "$script" || return 1
        done
}

# What is built as it is installed: the optimiser sees what a compiler warns of.
check_release()
{
    CC=gcc CXX=g++ build release --buildtype=release
}

check_tidy()
{
    CC=clang CXX=clang++ build clang
    sed -n 's|.*"file": "\.\./\.\./\(.*\.c\)".*|\1|p' \
        build/clang/compile_commands.json | grep -E '^(src|app)/' | sort -u |
        xargs -P "$(nproc)" -n 4 clang-tidy --quiet -p build/clang 2>/dev/null
}

sanitized()
{
    need_peers
    build "$1" -Db_sanitize=address,undefined -Db_lundef=false
    ASAN_OPTIONS=allow_addr2line=1 \
        UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
        /usr/bin/python3 tools/dev/suites.py "build/$1"
}

check_asan_gcc()
{
    CC=gcc CXX=g++ sanitized asan-gcc
}

check_asan_clang()
{
    CC=clang CXX=clang++ sanitized asan-clang
}

# What crosses threads, and what a race would be blamed on. Tests that fork
# workers are not among them: ThreadSanitizer does not follow a fork.
check_tsan()
{
    CC=clang CXX=clang++ build tsan -Db_sanitize=thread -Db_lundef=false
    TSAN_OPTIONS=halt_on_error=1 /usr/bin/python3 tools/dev/suites.py \
        build/tsan threads thread_pool thread_future thread_channel loop_run \
        file threadsafe workers eager watchdog together context_var wrong_thread \
        thread_queue connect socket socket_fd stream transport server folder \
        draft whole_file names resolver compact compact_limit
}

# The other assembly, on an emulated processor: whatever waits and switches.
# Left out is what looks at threads, processes and memory from outside, or at
# signals between threads, where it would see the emulator's; and io_uring, which
# is not emulated.
# shellcheck disable=SC2086 # One word is one package, and one test.
check_aarch64()
{
    need $AARCH64_PACKAGES
    aarch64_root
    build aarch64 --cross-file "$AARCH64_ROOT/cross.ini" \
        -Dc_args=-DASYNCIO_EMULATED \
        -Ddns=disabled -Dhttp=disabled -Dtls=disabled \
        -Dapp=disabled -Dbench=disabled
    # The emulator cannot start a child with a descriptor for it.
    all=$(find tests -name 'test_*.c' | sed 's|.*/test_\(.*\)\.c|\1|' | grep -Evx \
        'dns|http|tls|runner|watchdog|note|deadlock|process_limits|subprocess')
    /usr/bin/python3 tools/dev/suites.py --poller epoll build/aarch64 $all \
        example_01_eggs example_11_errors
}

# Memory that is read before it is written, or lost, in each example; and that
# Valgrind is told of the stacks. It knows no io_uring of the kind we ask for.
check_valgrind()
{
    need valgrind
    build valgrind -Dc_args=-DASYNCIO_VALGRIND
    status=0
    for program in $(find build/valgrind/examples -type f -perm -100 | sort); do
        ASYNCIO_BACKEND=epoll LD_LIBRARY_PATH=build/valgrind/src \
            valgrind -q --error-exitcode=9 --leak-check=full \
            --errors-for-leak-kinds=definite --log-file=build/valgrind/log \
            "$program" >/dev/null && continue
        # Any other status is the program's: there is no sandbox below Valgrind.
        [ $? -eq 9 ] || continue
        echo "$program is not clean under Valgrind:"
        cat build/valgrind/log
        status=1
    done
    return $status
}

# That the hot paths have not become heavier: their instructions, as the library
# is installed. Times would be the machine's, and its neighbours'.
check_instructions()
{
    need valgrind
    CC=gcc CXX=g++ build release --buildtype=release
    /usr/bin/python3 tools/dev/instructions.py build/release
}

# shellcheck disable=SC2086 # One word is one package, and one check.
{
    need $BUILD_PACKAGES $TEST_PACKAGES $CHECK_PACKAGES
    [ $# -gt 0 ] || set -- $ALL
}
passed=0
failed=0
for name; do
    case " $ALL " in
    *" $name "*) ;;
    *) fail 2 "there is no check '$name'; there are: $ALL" ;;
    esac
    # In a shell of its own: a build that fails ends one check, not all.
    if ("check_$(echo "$name" | tr - _)"); then
        echo "ok - $name"
        passed=$((passed + 1))
    else
        echo "not ok - $name"
        failed=$((failed + 1))
    fi
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
