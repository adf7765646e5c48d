"""Tests as functions: the name is a sentence, TAP is the report.

A test fails by any exception, is skipped by raising Skip, and is ended after
LIMIT_S whatever it waits for.
"""

import signal
import traceback

LIMIT_S = 60


class Skip(Exception):
    """Raised by a test that cannot run here, with the reason."""


def raise_timeout(*_):
    raise TimeoutError(f"not ended within {LIMIT_S} s")


def run_one(test):
    """Returns the words after the name, None for a failure."""
    try:
        signal.alarm(LIMIT_S)
        try:
            test()
        finally:
            signal.alarm(0)  # which the alarm may come before
        return ""
    except Skip as reason:
        return f" # SKIP {reason}"
    except Exception:
        for line in traceback.format_exc().splitlines():
            print("# " + line)
        return None


def run(tests):
    """Runs all of (name, function). Returns the exit status."""
    signal.signal(signal.SIGALRM, raise_timeout)
    print(f"1..{len(tests)}", flush=True)
    failed = 0
    for number, (name, test) in enumerate(tests, 1):
        outcome = run_one(test)
        failed += outcome is None
        word = "not ok" if outcome is None else "ok"
        print(f"{word} {number} - {name}{outcome or ''}", flush=True)
    return 1 if failed else 0
