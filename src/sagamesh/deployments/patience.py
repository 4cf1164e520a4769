"""The server takes few requests about one deployment at a time, and asks who comes too soon to try again later."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from sagamesh.errors import Refused, SagameshError, ServerUnreachable

__all__ = ["passes", "patiently"]

T = TypeVar("T")

_ATTEMPTS: Final = 12
_LONGEST: Final = 5.0
"""Seconds between two attempts."""


def passes(error: SagameshError) -> bool:
    """Whether the server may answer the same question a moment later."""
    if isinstance(error, ServerUnreachable):
        return error.reason == "NoAnswer"
    return isinstance(error, Refused) and error.reason == "ResourceExhausted"


async def patiently(request: Callable[[], Awaitable[T]]) -> T:
    """Make a request, again and again where the server says that it was too soon; for half a minute at most.

    Raises:
        Refused: `ResourceExhausted` when the server still says so; else what the request raises.
    """
    for attempt in range(_ATTEMPTS):
        try:
            return await request()
        except Refused as error:
            if not passes(error):
                raise
        # Replicas that were started at once must not come back at once.
        await asyncio.sleep(random.uniform(0.2, 1) * min(0.25 * 2**attempt, _LONGEST))  # noqa: S311  # no secret
    return await request()
