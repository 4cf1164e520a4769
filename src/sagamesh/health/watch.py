"""The checks at work: each in a task of its own, so that none waits for another and no probe waits for any."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from sagamesh.health.record import Record, never
from sagamesh.health.verdict import Kind
from sagamesh.tracing.switch import untraced

__all__ = ["Check", "Problem", "beating", "looked", "watching"]

_log = logging.getLogger("sagamesh.health")

_BEAT: Final = 1.0
_SOON: Final = 2.0
"""Seconds until the next look while something is wrong: its end should be seen at once."""
_SLACK: Final = 5.0
"""Seconds that a look may come late on a busy machine."""
_LONGEST: Final = 300


class Problem(Exception):
    """What a check raises for something that is wrong; its text is the sentence. Any other exception is one, too.

    - `certain`: it was seen, and not only that the look itself failed.
    """

    def __init__(self, text: str, *, certain: bool = True) -> None:
        super().__init__(text)
        self.certain = certain


@dataclass(frozen=True, slots=True)
class Check:
    """Something to look at again and again.

    - `look`: returns when all is well, raises when it is not.
    - `every`, `timeout`: seconds between two looks, and for one.
    - `busy`: see `Record.expect`.
    """

    name: str
    kind: Kind
    look: Callable[[], Awaitable[object]]
    every: float
    timeout: float
    busy: Callable[[], bool] = never


@asynccontextmanager
async def beating(record: Record) -> AsyncIterator[None]:
    """Tell the record that the event loop turns, while the block runs."""
    task = asyncio.create_task(_beat(record))
    try:
        yield
    finally:
        task.cancel()


@asynccontextmanager
async def watching(record: Record, checks: Sequence[Check]) -> AsyncIterator[None]:
    """Keep the record while the block runs."""
    for check in checks:
        record.expect(check.name, check.kind, fresh=check.every + check.timeout + _SLACK, busy=check.busy)
    with untraced():
        tasks = [asyncio.create_task(_follow(record, each)) for each in checks]
    try:
        yield
    finally:
        # Not awaited: a check that ignores being cancelled must not hold up a shutdown.
        for task in tasks:
            task.cancel()


async def _beat(record: Record) -> None:
    while True:
        record.beat()
        await asyncio.sleep(_BEAT)


async def _follow(record: Record, check: Check) -> None:
    # The first look at a queue comes before its pollers are there, and that is no news.
    quiet = check.kind == "queue"
    warned = False
    while True:
        problem, certain = await looked(check.look, check.timeout)
        record.tell(check.name, problem, certain=certain)
        if problem is not None and not warned and not quiet:
            warned = True
            _log.warning("%s: %s", check.name, problem)
        elif problem is None and warned:
            warned = False
            _log.info("%s: all is well again", check.name)
        quiet = False
        await asyncio.sleep(check.every if problem is None else min(check.every, _SOON))


async def looked(look: Callable[[], Awaitable[object]], timeout: float) -> tuple[str | None, bool]:
    """What is wrong by one look, None for nothing, and whether that was seen and not only the look that failed.

    - `timeout`: seconds for it.
    """
    try:
        async with asyncio.timeout(timeout):
            await look()
    except TimeoutError:
        return f"no answer within {timeout:g} s", False
    except Problem as problem:
        return str(problem), problem.certain
    except Exception as error:
        first = next(iter(str(error).splitlines()), "")
        return f"{type(error).__name__}: {first}"[:_LONGEST].removesuffix(": "), False
    return None, True
