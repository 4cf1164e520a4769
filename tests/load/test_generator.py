"""The generator on a real server: how many at a time, what is counted from when, and what is found out."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sagamesh.load import Deck, Generator, Mix, Pace, Record, Sender
from tests.support.engine import Engine
from tests.support.wobble import Wobble, Wobbled, Wobbler, wobble

pytestmark = pytest.mark.asyncio(loop_scope="session")

KINDS: list[dict[str, Any]] = [
    {"name": "good", "weight": 3, "input": {"text": "{n}", "nap": 0.05}},
    {"name": "refused", "input": {"refused": True}, "expect": "TooShaky"},
]


def generator(
    engine: Engine, pace: Pace, *, kinds: list[dict[str, Any]] | None = None, timeout: float = 30, prefix: str = ""
) -> tuple[Generator, Record]:
    deck = Deck(Mix.model_validate({"entries": kinds or KINDS}), wobble, 1)
    record = Record(deck)
    sender = Sender(engine.client, wobble, inline=False, timeout=timeout)
    return Generator(deck, pace, sender, record, prefix=prefix or engine.new_id()), record


async def test_a_closed_loop_keeps_so_many_under_way(cached_engine: Engine) -> None:
    load, record = generator(cached_engine, Pace(count=40, concurrency=4), prefix=(prefix := cached_engine.new_id()))
    async with Wobbler().serving(cached_engine.temporal) as served:
        await load.run()
    assert 2 <= served.most <= 4
    tally = load.tally
    assert (tally.sent, tally.ended, tally.wrong, tally.mismatches) == (40, 40, 0, [])
    assert set(tally.outcomes) == {("good", "completed"), ("refused", "TooShaky")}
    assert len(tally.latencies) == tally.outcomes.total() == len(record) == 40
    with record:
        ended = list(record)
        assert ended == list(record)
    assert {each.id for each in ended} == {f"{prefix}-{n}" for n in range(40)} == set(served.calls)
    for each in ended:
        assert isinstance(each.input, Wobble)
        assert each.completed == (each.kind == "good")
        assert each.result == (Wobbled(text=each.input.text) if each.completed else None)


async def test_an_open_loop_counts_from_when_a_task_was_meant_to_begin(cached_engine: Engine) -> None:
    kinds = [{"name": "slow", "input": {"nap": 0.1}}]
    load, record = generator(cached_engine, Pace(count=30, rate=30), kinds=kinds)
    # One call at a time, ten a second at most: three times too slow.
    async with Wobbler().serving(cached_engine.temporal, slots=1) as served:
        await load.run()
    record.__exit__()
    assert (load.tally.ended, load.tally.wrong) == (30, 0)
    # They are served over 3 s at least and were meant to begin within 1 s, so the last has waited for 2 s.
    assert served.starts[-1] - served.starts[0] >= 2.8
    assert max(load.tally.latencies) >= 1.8


async def test_what_ends_otherwise_is_told(cached_engine: Engine) -> None:
    kinds = [{"name": "hopeful", "input": {"refused": True}}]
    load, record = generator(cached_engine, Pace(count=60), kinds=kinds)
    async with Wobbler().serving(cached_engine.temporal):
        await load.run()
    record.__exit__()
    assert (load.tally.wrong, len(load.tally.mismatches)) == (60, 50)
    assert str(load.tally.mismatches[0]).endswith("(hopeful): should be completed, is TooShaky: wobbler.shake: no")


async def test_a_task_without_an_end_is_given_up_and_not_proved(cached_engine: Engine) -> None:
    load, record = generator(cached_engine, Pace(count=2), timeout=1, prefix=(prefix := cached_engine.new_id()))
    await load.run()
    assert load.tally.outcomes.total() == 2
    assert {outcome for _, outcome in load.tally.outcomes} == {"Unanswered"}
    assert (len(record), len(load.tally.latencies), load.tally.wrong) == (0, 0, 2)
    record.__exit__()

    again, record = generator(cached_engine, Pace(count=2), prefix=prefix)
    async with Wobbler().serving(cached_engine.temporal):
        await again.run()
    record.__exit__()
    assert (again.tally.found, len(again.tally.latencies), again.tally.wrong) == (2, 0, 0)

    other, record = generator(cached_engine, Pace(count=2), kinds=[{"name": "b", "input": {"size": 9}}], prefix=prefix)
    await other.run()
    assert other.tally.outcomes == {("b", "NotSent"): 2}
    assert f"id {prefix}-0 belongs to an earlier Wobbly" in "".join(map(str, other.tally.mismatches))
    assert (len(record), len(other.tally.latencies), other.tally.wrong) == (0, 0, 2)
    record.__exit__()


async def test_what_cannot_be_sent_is_wrong_and_ends_nothing(cached_engine: Engine) -> None:
    # From its eleventh task on the text is longer than the task takes.
    kinds = [{"name": "growing", "input": {"text": "x" * 19 + "{n}"}}]
    load, record = generator(cached_engine, Pace(count=13, concurrency=1), kinds=kinds)
    async with Wobbler().serving(cached_engine.temporal):
        await load.run()
    assert load.tally.outcomes == {("growing", "completed"): 10, ("growing", "NotSent"): 3}
    assert (load.tally.sent, load.tally.running, load.tally.wrong, len(record)) == (13, 0, 3, 10)
    record.__exit__()
    assert "entry 'growing', task 10 is not valid: entries[0].input.text: " in str(load.tally.mismatches[0])


async def test_it_stops_in_order(cached_engine: Engine) -> None:
    load, record = generator(cached_engine, Pace(seconds=60, concurrency=3))
    async with Wobbler().serving(cached_engine.temporal):
        running = asyncio.create_task(load.run())
        while load.tally.ended < 5:  # noqa: ASYNC110  # nobody here could set an event
            await asyncio.sleep(0.01)
        load.stop()
        await running
    record.__exit__()
    assert load.tally.running == 0
    assert 5 <= load.tally.sent < 60
    assert load.stopped


@pytest.mark.parametrize(
    "pace",
    [
        Pace(seconds=0.3, concurrency=3, ramp=90),
        Pace(count=3, concurrency=3, ramp=90),
        Pace(seconds=0.3, rate=0.03),
        Pace(count=1, rate=0.03),
    ],
)
async def test_nobody_waits_to_begin_what_is_past_the_end(cached_engine: Engine, pace: Pace) -> None:
    load, record = generator(cached_engine, pace)
    async with Wobbler().serving(cached_engine.temporal):
        await load.run()
    record.__exit__()
    assert load.tally.sent >= 1
    assert load.tally.wrong == 0
    assert load.took < 20  # the next one was to begin after 30 s
    assert not load.stopped
