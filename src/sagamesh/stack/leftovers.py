"""What a supervisor that was killed has left running."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

import psutil

from sagamesh.stack.part import Timing
from sagamesh.stack.process import kill_group
from sagamesh.stack.state import PartState
from sagamesh.stack.supervisor import STOP_ORDER

__all__ = ["reap"]


def reap(parts: Iterable[PartState], timing: Timing | None = None) -> None:
    """Stop these parts, in the same order and with the same patience as their supervisor would have.

    A process counts only when number, time of creation and arguments all match what was written down.
    """
    timing = timing or Timing()
    parts = list(parts)
    for kind in STOP_ORDER:
        found = [part.process.find() for part in parts if part.kind == kind and part.process is not None]
        processes = [process for process in found if process is not None]
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.terminate()
        _, stubborn = psutil.wait_procs(processes, timeout=timing.stop[kind])
        for process in stubborn:
            if process.is_running():
                kill_group(process.pid)
        psutil.wait_procs(stubborn, timeout=timing.stop[kind])
