"""Which promise of docs/semantics.md is proven on which poller.

The promises are read from the document; the proofs from what the tests
recorded while they ran, never from their source. A promise is proven on a
poller when at least one test that states it passed there and none failed.
"""

import collections
import os
import re
import sys

import suites

DOCUMENT = "docs/semantics.md"
AREA = re.compile(r"^## +(.*\S)")
PROMISE = re.compile(r"^- \*\*([A-Z]+-\d+[a-z]?)\*\*")
EXCEPTION = re.compile(r"^\| *\**([A-Z]+-\d+[a-z]?)\** *\|(.*)\|\s*$")
POLLERS = ("uring", "epoll", "sim")
# What the simulator has a world for; elsewhere it proves what it happens to.
SIMULATED = ("stream", "server", "socket")


def read_document():
    """Areas with their promises, in order, and the exceptions' reasons."""
    areas, exceptions, area = collections.OrderedDict(), {}, None
    with open(DOCUMENT, encoding="utf-8") as lines:
        for line in lines:
            heading = AREA.match(line)
            promise = PROMISE.match(line)
            exception = EXCEPTION.match(line)
            if heading:
                area = heading[1]
            elif promise:
                areas.setdefault(area, []).append(promise[1])
            elif exception:
                cells = [cell.strip() for cell in exception[2].split("|")]
                exceptions[exception[1]] = " ".join(cells)
    return areas, exceptions


def read_record(path):
    """(poller, promise) -> set of outcomes."""
    outcomes = collections.defaultdict(set)
    if not os.path.exists(path):
        return outcomes
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            poller, promise, _, outcome = line.rstrip("\n").split("\t")
            outcomes[poller, promise].add(outcome)
    return outcomes


def proven(outcomes, poller, promise):
    return outcomes.get((poller, promise)) == {"pass"}


def failing(outcomes, promise):
    return any("fail" in outcomes.get((poller, promise), ())
               for poller in POLLERS)


def pollers_of(area):
    """Those on which each promise of the area has to be proven."""
    return [poller for poller in POLLERS
            if poller != "sim" or area in SIMULATED]


def count_proven(promises, outcomes):
    """How many of the promises are proven, on each poller."""
    return [sum(proven(outcomes, poller, promise) for promise in promises)
            for poller in POLLERS]


def print_area(name, promises, outcomes, exceptions):
    """One line, and one for each promise that is not proven. True if good."""
    counts = count_proven(promises, outcomes)
    pollers = pollers_of(name)
    bad = [promise for promise in promises
           if not all(proven(outcomes, poller, promise) for poller in pollers)]
    missing = [promise for promise in bad if promise not in exceptions]
    failed = [promise for promise in promises if failing(outcomes, promise)]
    print(f"{name:24}{len(promises):6}{counts[0]:7}{counts[1]:7}{counts[2]:7}"
          f"{len(failed):9}{len(missing):9}{len(bad) - len(missing):12}")
    for promise in bad:
        if promise in failed:
            print(f"    {promise} fails")
        elif promise in missing:
            where = [poller for poller in pollers
                     if not proven(outcomes, poller, promise)]
            print(f"    {promise} is not proven on {' or '.join(where)}")
    return not missing and not failed


def main():
    folder = sys.argv[1]
    record = os.path.abspath(os.path.join(folder, "conformance.tsv"))
    if os.path.exists(record):
        os.remove(record)
    areas, exceptions = read_document()
    if not areas:
        raise SystemExit(f"{DOCUMENT} states no promise")
    count = suites.run(folder, env={"ASYNCIO_TEST_RECORD": record},
                       log="conformance")
    outcomes = read_record(record)

    print(f"\n{'area':24}{'IDs':>6}{'uring':>7}{'epoll':>7}{'sim':>7}"
          f"{'failing':>9}{'missing':>9}{'exceptions':>12}")
    good = [print_area(name, promises, outcomes, exceptions)
            for name, promises in areas.items()]
    known = {promise for promises in areas.values() for promise in promises}
    counts = count_proven(known, outcomes)
    print(f"{'all':24}{len(known):6}{counts[0]:7}{counts[1]:7}{counts[2]:7}")
    strangers = sorted({promise for _, promise in outcomes} - known)
    if exceptions:
        print("\nExceptions:")
    for promise, reason in exceptions.items():
        print(f"    {promise}  {reason}")
    for promise in strangers:
        print(f"A test states {promise}, which {DOCUMENT} does not promise.")
    print(f"\nThe tests: {count}")
    return 0 if all(good) and not strangers and count.failed == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
