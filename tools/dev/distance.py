"""Whether two processors are as near each other as they can be.

On a virtual machine that changes: a word goes there and back in 0.2 us for some
tenths of a second or some minutes, and in 1.1 us for some others, and whatever
crosses processors takes twice or three times as long then. So such a thing is
measured while they are near, whoever's it is, and again if they were far when
it ended. What takes long is begun while they are near, and measured in slices.
"""

import subprocess
import time

import peers

NEAR = 2        # times the shortest way that was seen
ONE_ROUND_S = 5
PATIENCE_S = 30
LOOK_S = 0.05
ALL_PATIENCE_S = 1800
TRIES = 4


class Distance:
    """Between two processors, as far as it was measured."""

    def __init__(self, first, second, say):
        self.command = [f"{peers.OUT}/distance", str(first), str(second)]
        self.apart = first != second
        self.least = float("inf")
        self.patience = ALL_PATIENCE_S
        self.say = say
        self.measured = self.far = 0
        self.said = False

    def is_near(self):
        """Measures it, which takes some milliseconds."""
        try:
            out = subprocess.run(self.command, capture_output=True, text=True,
                                 timeout=ONE_ROUND_S, check=True).stdout
        except (OSError, subprocess.SubprocessError):
            return True  # nothing is known of it
        now = float(out.split()[3])
        self.least = min(self.least, now)
        return now <= NEAR * self.least

    def wait(self, patience=PATIENCE_S):
        """Until they are near, or patience ends."""
        start = time.monotonic()
        while self.apart and not self.is_near():
            waited = time.monotonic() - start
            if waited > min(patience, self.patience):
                break
            if not self.said:
                self.say("the processors are far from each other: waits, "
                         "now and whenever they are")
                self.said = True
            time.sleep(LOOK_S)
        self.patience -= time.monotonic() - start

    def measure(self, measure, quick):
        """Calls measure() while they are near; returns what it returned."""
        for _ in range(1 if quick or not self.apart else TRIES):
            if not quick:
                self.wait()
            result = measure()
            if not result or not self.apart or self.is_near():
                break
        else:
            self.far += 1
        self.measured += 1
        return result

    def note(self):
        """For the reader of figures."""
        if self.least == float("inf"):
            return ""
        far = f", far in {self.far} of {self.measured}" if self.far else ""
        return f", processors {self.least / 1000:.2f} us apart{far}"
