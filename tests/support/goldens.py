"""Keeping recorded histories as goldens, for the modules that `scripts/record-histories` runs."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import NoReturn

from temporalio.client import WorkflowHistory

from sagamesh.replay import fingerprint_of, write_golden

__all__ = ["keep", "run"]


async def keep(history: WorkflowHistory, folder: Path, name: str, says: str) -> int:
    """Write the golden, unless its fingerprint lacks the words by which it is known; how many were wrong: 0 or 1."""
    text = await fingerprint_of(history)
    if says not in text:
        sys.stderr.write(f"{name}: not kept, for it must say {says!r}, but went\n{text}\n")
        return 1
    await write_golden(history, folder / f"{name}.json")
    sys.stdout.write(f"{name}: {len(history.events)} events\n")
    return 0


def run(recording: Coroutine[None, None, int]) -> NoReturn:
    """Record, and end the process with code 1 where something was wrong."""
    code = 1 if asyncio.run(recording) else 0
    sys.stdout.flush()
    os._exit(code)  # without the interpreter's own exit, during which the SDK's threads may abort it
