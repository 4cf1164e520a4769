"""What a supervisor that was killed has left running."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress

import psutil

from sagamesh.stack.part import Timing
from sagamesh.stack.process import kill_group
from sagamesh.stack.state import PartState
from sagamesh.stack.supervisor import STOP_ORDER

__all__ = ["reap"]

_LAST_WAIT = 5.0
"""Seconds until a killed process must be gone; the kernel needs far less."""


def reap(parts: Iterable[PartState], timing: Timing | None = None) -> None:
    """Stop these parts, in the same order and with the same patience as their supervisor would have.

    A process counts only when number, time of creation and arguments all match what was written down.
    """
    timing = timing or Timing()
    began = time.monotonic()
    parts = list(parts)
    longer = timing.longer(part.grace for part in parts)
    for kind in STOP_ORDER:
        found = [part.process.find() for part in parts if part.kind == kind and part.process is not None]
        processes = [process for process in found if process is not None]
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.terminate()
        patience = max(0.0, began + longer + timing.stop_by[kind] - time.monotonic())
        _, stubborn = psutil.wait_procs(processes, timeout=patience)
        for process in stubborn:
            if process.is_running():
                kill_group(process.pid)
        psutil.wait_procs(stubborn, timeout=_LAST_WAIT)
