"""Outlives a game day, and sets right what it left: `python guardian.py FILE`.

Reads `pause PID` and `resume PID` on standard input. When that ends, however the process at its other end did, whatever
is still paused goes on, and the file of rules is removed. Runs without site-packages, and imports nothing of the
framework, so that it is there at once.
"""

import contextlib
import os
import signal
import sys


def main(rules: str) -> None:
    """Listen until the other end is gone, then set everything right."""
    paused: set[int] = set()
    for line in sys.stdin:
        word, _, number = line.partition(" ")
        (paused.add if word == "pause" else paused.discard)(int(number))
    for pid in paused:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(rules)  # noqa: PTH108 - pathlib takes longer to import than all the rest


if __name__ == "__main__":
    main(sys.argv[1])
