"""The metrics of the engine's library, which serves them on a loopback port of its own."""

from __future__ import annotations

import urllib.request
from typing import Final

__all__ = ["engine_page"]

_PATIENCE: Final = 5.0
"""Seconds. A scrape waits ten."""
_DIRECT: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def engine_page(address: str) -> str:
    """The metrics of the engine's library, which listens on this `host:port` of the machine itself.

    Raises:
        OSError: when they cannot be read.
    """
    with _DIRECT.open(f"http://{address}/metrics", timeout=_PATIENCE) as answer:
        text: str = answer.read().decode()
    return text
