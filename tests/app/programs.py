#!/usr/bin/python3 -B
"""Good and bad input for a picture program: programs.py PROGRAM REFERENCE.

PROGRAM is one of the four; its name says how it has to treat the other
pictures when one goes wrong. REFERENCE is the plain edge code that judges what
it makes. Prints TAP.
"""

import shutil
import sys

# Each of these brings its tests along.
import command_line  # noqa: F401
import good_input  # noqa: F401
import bad_downloads  # noqa: F401
import bad_pictures  # noqa: F401
import killed  # noqa: F401
import surroundings
import tap
from kit import TESTS, Kit


def bind(function, kit):
    def run():
        kit.clear()
        function(kit)

    return run


def tests_of(kit):
    return [(function.__name__, bind(function, kit))
            for versions, function in TESTS
            if not versions or kit.version in versions]


def main():
    if "--inject" in sys.argv:
        print("1..0 # SKIP the fault loop is for the runner's tests")
        return 0
    surroundings.enter()
    kit = Kit(*sys.argv[1:3])
    try:
        return tap.run(tests_of(kit))
    finally:
        kit.close()


if __name__ == "__main__":
    sys.exit(main())
