"""The log files of the parts: whatever they print."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

__all__ = ["open_log", "tail"]

LARGEST = 10 * 1024 * 1024
"""Bytes from which a log is put aside, to `<name>.1`, at the next start of its part."""

_MARK = "--- sagamesh: "
_TAIL_BYTES = 64 * 1024
_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


@contextmanager
def open_log(path: Path, mark: str) -> Iterator[BinaryIO]:
    """Open a log for one life of its part, begun with a line that says so.

    Raises:
        OSError: when it cannot be written.
    """
    if path.exists() and path.stat().st_size >= LARGEST:
        path.replace(path.with_suffix(path.suffix + ".1"))
    path.parent.mkdir(parents=True, exist_ok=True)
    # Appending, because the part and its predecessor's last words may overlap.
    with path.open("ab", buffering=0) as log:
        log.write(f"{_MARK}{datetime.now().astimezone():%Y-%m-%d %H:%M:%S} {mark}\n".encode())
        yield log


def tail(path: Path, lines: int = 1) -> list[str]:
    """The last lines that the part has printed in its present life, without colours; fewer when there are fewer."""
    try:
        with path.open("rb") as log:
            log.seek(0, os.SEEK_END)
            log.seek(max(0, log.tell() - _TAIL_BYTES))
            text = log.read().decode(errors="replace")
    except FileNotFoundError:
        return []
    printed: list[str] = []
    for line in text.splitlines():
        if line.startswith(_MARK):
            printed.clear()
        elif shown := _COLOURS.sub("", line).strip():
            printed.append(shown)
    return printed[-lines:]
