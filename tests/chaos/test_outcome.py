"""What a game day says of itself: whole, cut short, or with nothing in it that was put to the proof."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sagamesh import App, Mesh
from sagamesh.chaos import Fault, Schedule
from sagamesh.chaos.gameday import GameDay, Outcome
from sagamesh.chaos.stack import OwnStack
from sagamesh.faults import Rule
from sagamesh.load import Deck, Generator, Mix, Pace, Record, Sender
from tests.stack.conftest import ScriptStack
from tests.support.engine import Engine
from tests.support.wobble import Wobbler, wobble, wobbler

pytestmark = pytest.mark.asyncio(loop_scope="session")

APP = App(mesh=Mesh(wobbler), tasks=(wobble,), pools={"wobbler": "none:none"})
SLOW = Rule(capability="wobbler.shake", delay=0.01)


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[OwnStack]:
    scripts = ScriptStack(tmp_path)
    try:
        scripts.up([("a", "pool", "plain")])
        state = scripts.state()
        assert state is not None
        yield OwnStack(scripts.place, state, {})
    finally:
        scripts.clean()


async def outcome(engine: Engine, stack: OwnStack, *faults: Fault, stop_at: int | None = None) -> Outcome:
    """What comes of a day with these faults; it is stopped when the one of this place begins."""
    deck = Deck(Mix.model_validate({"entries": [{"name": "good", "input": {}}]}), wobble, 1)
    sender = Sender(engine.client, wobble, inline=False, timeout=30)
    prefix = engine.new_id()
    begun: list[Fault] = []

    def observe(fault: Fault) -> None:
        begun.append(fault)
        if len(begun) - 1 == stop_at:
            day.stop()

    with Record(deck) as record:
        generator = Generator(deck, Pace(rate=5, seconds=60), sender, record, prefix=prefix)
        planned = Schedule(seed=1, minutes=1, faults=faults)
        day = GameDay(APP, stack, planned, sender, generator, record, prefix=prefix, within=30, observe=observe)
        async with Wobbler().serving(engine.temporal):
            return await day.run()


def slow(at: float, seconds: float) -> Fault:
    return Fault(at=at, kind="delay", target="wobbler.shake", seconds=seconds, rule=SLOW)


async def test_a_whole_day(cached_engine: Engine, stack: OwnStack) -> None:
    came = await outcome(cached_engine, stack, slow(0, 0.3), slow(0.5, 0.1))
    assert (came.planned, came.applied, came.violations, came.probes) == (2, 2, (), 10)
    assert (came.stopped, came.load.stopped, came.right) == (False, False, True)


async def test_a_day_that_is_cut_short_is_not_right(cached_engine: Engine, stack: OwnStack) -> None:
    came = await outcome(cached_engine, stack, slow(0, 0.3), slow(0.5, 60), slow(50, 1), stop_at=1)
    assert (came.planned, came.applied, came.violations, came.probes) == (3, 1, (), 10)
    assert [done.note for done in came.done] == ["", "cut short"]
    assert (came.stopped, came.load.stopped, came.right) == (True, True, False)


async def test_a_day_without_a_fault_proves_nothing(
    cached_engine: Engine, stack: OwnStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sagamesh.chaos.effects._WAIT_FOR_PROCESS", 0.3)
    came = await outcome(cached_engine, stack, Fault(at=0, kind="kill", target="nobody"))
    assert (came.planned, came.applied, came.stopped) == (1, 0, False)
    assert came.violations == ("no fault was applied, so nothing was put to the proof",)
    assert not came.right
