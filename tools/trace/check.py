"""Checks files against the Trace Event Format.

    check.py [--cut] FILE...

Prints a line for each: what is in it, or what is wrong with it. --cut: the
program was killed, so that what was begun need not have ended.
"""

import argparse
import sys

import read


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--cut", action="store_true")
    parser.add_argument("files", nargs="+")
    arguments = parser.parse_args()
    status = 0
    for path in arguments.files:
        try:
            counts = read.check(read.read(path), whole=not arguments.cut)
            print(f"{path}: good,",
                  ", ".join(f"{n} {what}" for what, n in counts.items()))
        except (read.Wrong, OSError) as wrong:
            print(f"{path}: {wrong}")
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
