"""The checks at work: one that hangs or fails says so, and holds up nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from sagamesh.health.record import Record
from sagamesh.health.verdict import Bounds, Kind, Seen
from sagamesh.health.watch import Check, Problem, watching

Look = Callable[[], Awaitable[object]]


@asynccontextmanager
async def watched(*looks: Look, kind: Kind = "dependency", timeout: float = 30) -> AsyncIterator[Record]:
    """A record that is kept while the block runs; the checks are called by their number."""
    record = Record(Bounds())
    checks = [Check(str(n), kind, look, every=0.01, timeout=timeout) for n, look in enumerate(looks)]
    async with watching(record, checks):
        yield record


async def seen(record: Record, name: str, what: Callable[[Seen], bool]) -> Seen:
    """What a check saw, once that is so."""
    async with asyncio.timeout(30):
        while True:
            [found] = [each for each in record.facts().seen if each.name == name]
            if what(found):
                return found
            await asyncio.sleep(0.005)


async def well() -> None:
    """All is well."""


async def hangs() -> None:
    await asyncio.Event().wait()


async def fails() -> None:
    raise OSError("no route\nand more lines")


async def fails_in_silence() -> None:
    raise ValueError


async def sees() -> None:
    raise Problem("nobody polls")


async def cannot_see() -> None:
    raise Problem("the server does not answer", certain=False)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("look", "problem", "certain"),
    [
        (well, None, True),
        (fails, "OSError: no route", False),
        (fails_in_silence, "ValueError", False),
        (hangs, "no answer within 0.05 s", False),
        (sees, "nobody polls", True),
        (cannot_see, "the server does not answer", False),
    ],
)
async def test_what_a_look_says(look: Look, problem: str | None, certain: bool) -> None:
    async with watched(look, timeout=0.05) as record:
        found = await seen(record, "0", lambda each: each.age is not None)

    assert (found.problem, found.certain) == (problem, certain)


@pytest.mark.asyncio
async def test_one_that_hangs_holds_up_no_other() -> None:
    looked = 0

    async def counts() -> None:
        nonlocal looked
        looked += 1

    async with watched(hangs, counts) as record:
        while looked < 5:  # noqa: ASYNC110  # what counts them is under test
            await asyncio.sleep(0.005)
        assert record.verdict()[1].not_ready == ("0: not looked at yet",)


@pytest.mark.asyncio
async def test_the_end_waits_for_no_check() -> None:
    ended = asyncio.Event()

    async def slow_to_leave() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await ended.wait()

    async with watched(slow_to_leave, hangs), asyncio.timeout(30):
        await asyncio.sleep(0.02)
    ended.set()
    await asyncio.sleep(0)


@pytest.mark.asyncio
async def test_news_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "sagamesh.health")
    is_well = True

    async def look() -> None:
        if not is_well:
            raise OSError("gone")

    async with watched(look) as record:
        await seen(record, "0", lambda each: each.age is not None)
        is_well = False
        await seen(record, "0", lambda each: each.problem is not None and each.lasting > 0.1)
        is_well = True
        await seen(record, "0", lambda each: each.problem is None and each.lasting > 0.1)

    assert [(each.levelname, each.getMessage()) for each in caplog.records] == [
        ("WARNING", "0: OSError: gone"),
        ("INFO", "0: all is well again"),
    ]


@pytest.mark.asyncio
async def test_a_queue_that_is_not_polled_at_first_is_no_news(caplog: pytest.LogCaptureFixture) -> None:
    looked = 0

    async def look() -> None:
        nonlocal looked
        looked += 1
        if looked == 1:
            raise Problem("nobody polls")

    async with watched(look, kind="queue") as record:
        await seen(record, "0", lambda each: each.age is not None and each.problem is None)

    assert caplog.records == []
