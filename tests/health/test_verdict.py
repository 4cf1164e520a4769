"""The decision, as a table: what is known, and what follows."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from sagamesh.health.record import Record
from sagamesh.health.verdict import Bounds, Facts, Kind, Seen, judge

BOUNDS = Bounds(stuck=30, unpolled=180)

SERVER = Seen("server", "server", age=1, lasting=1000)
QUEUE = Seen("queue payment", "queue", age=1, lasting=1000)
DATABASE = Seen("database", "dependency", age=1, lasting=1000)

SILENT = replace(SERVER, problem="does not answer", certain=False)
UNPOLLED = replace(QUEUE, problem="it is not polled by this process")
FULL = replace(UNPOLLED, busy=True)
ORDERS = replace(UNPOLLED, name="queue orders")
UNKNOWN = replace(QUEUE, problem="the Temporal server answers: unavailable", certain=False)
DOWN = replace(DATABASE, problem="OSError: refused", certain=False)


def facts(*seen: Seen, **other: object) -> Facts:
    return replace(Facts(beat=0.5, seen=seen or (SERVER, QUEUE, DATABASE), was_started=True), **other)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("known", "started", "ready", "live"),
    [
        pytest.param(facts(), True, True, True, id="all is well"),
        pytest.param(facts(was_started=False), True, True, True, id="ready for the first time"),
        pytest.param(Facts(beat=0.5, seen=()), False, False, True, id="nothing begun yet"),
        pytest.param(
            facts(SERVER, QUEUE, replace(DATABASE, age=None), was_started=False), True, False, True, id="not looked yet"
        ),
        pytest.param(facts(SERVER, replace(QUEUE, age=None), was_started=False), False, False, True, id="no look yet"),
        pytest.param(facts(SERVER, replace(QUEUE, age=71), was_started=False), False, False, True, id="its look hangs"),
        pytest.param(facts(SERVER, QUEUE, DOWN), True, False, True, id="a dependency is down"),
        pytest.param(facts(SERVER, QUEUE, DOWN, was_started=False), True, False, True, id="a dependency never was up"),
        pytest.param(facts(SILENT, UNKNOWN, DOWN, was_started=False), True, False, True, id="gone before it polled"),
        pytest.param(facts(SILENT, UNPOLLED, was_started=False), True, False, True, id="half a server"),
        pytest.param(facts(SERVER, UNKNOWN, was_started=False), True, False, True, id="nobody says who polls"),
        pytest.param(facts(SERVER, UNPOLLED, DOWN), True, False, False, id="pollers gone while a dependency is down"),
        pytest.param(facts(SERVER, QUEUE, replace(DATABASE, age=71)), True, False, True, id="a look hangs"),
        pytest.param(facts(SILENT, QUEUE, DATABASE), True, False, True, id="the server is gone"),
        pytest.param(facts(SILENT, UNPOLLED, DOWN), True, False, True, id="all that is outside is gone"),
        pytest.param(facts(replace(SERVER, lasting=10), UNPOLLED), True, False, True, id="the server is just back"),
        pytest.param(facts(SERVER, replace(UNPOLLED, lasting=179)), True, False, True, id="unpolled for a while"),
        pytest.param(facts(SERVER, UNPOLLED), True, False, False, id="pollers gone"),
        pytest.param(facts(SERVER, UNPOLLED, was_started=False), False, False, True, id="never polled: not started"),
        pytest.param(facts(SERVER, FULL, was_started=False), True, True, True, id="full from the start"),
        pytest.param(facts(SERVER, FULL), True, True, True, id="no slot is free to poll for"),
        pytest.param(facts(SERVER, FULL, ORDERS), True, False, False, id="another queue is full"),
        pytest.param(facts(SERVER, FULL, ORDERS, was_started=False), False, False, True, id="another is, at the start"),
        pytest.param(facts(SERVER, replace(UNPOLLED, certain=False)), True, False, True, id="the queue's look fails"),
        pytest.param(facts(SERVER, replace(FULL, certain=False)), True, False, True, id="busy, and the look fails"),
        pytest.param(facts(SERVER, replace(UNPOLLED, age=71)), True, False, True, id="unpolled, seen long ago"),
        pytest.param(facts(replace(SERVER, age=71), UNPOLLED), True, False, True, id="the server's look hangs"),
        pytest.param(facts(UNPOLLED), True, False, True, id="nobody looks at the server"),
        pytest.param(facts(beat=29), True, True, True, id="the loop is slow"),
        pytest.param(facts(beat=31), True, True, False, id="the loop stands still"),
        pytest.param(facts(beat=31, was_started=False), False, True, False, id="it stands still at the start"),
        pytest.param(facts(beat=31, stopping=True), True, False, False, id="it stands still while stopping"),
        pytest.param(facts(stopping=True), True, False, True, id="stopping"),
        pytest.param(facts(stopping=True, was_started=False), True, False, True, id="stopping before anyone asked"),
        pytest.param(facts(SERVER, UNPOLLED, stopping=True), True, False, True, id="stopping for long"),
        pytest.param(facts(broken="it ends: no such namespace"), True, False, False, id="broken"),
        pytest.param(facts(broken="it ends", was_started=False), False, False, False, id="broken at the start"),
    ],
)
def test_verdict(known: Facts, started: bool, ready: bool, live: bool) -> None:
    found = judge(known, BOUNDS)

    assert (not found.not_started, not found.not_ready, not found.not_live) == (started, ready, live), found


@pytest.mark.parametrize("was_started", [True, False])
@pytest.mark.parametrize("queue", [QUEUE, UNKNOWN], ids=["polled", "the server does not say"])
def test_whatever_is_wrong_outside_a_process_is_started_and_live(queue: Seen, was_started: bool) -> None:
    """Over every combination of what server and dependencies may do: no restart for what a restart does not heal."""
    states = [
        {"problem": problem, "certain": certain, "age": age, "lasting": lasting}
        for problem, certain in ((None, True), ("down", True), ("down", False))
        for age in (None, 1.0, 500.0)
        for lasting in (0.0, 10_000.0)
    ]
    for server, dependency in itertools.product(states, repeat=2):
        seen = (replace(SERVER, **server), queue, replace(DATABASE, **dependency))  # type: ignore[arg-type]
        found = judge(facts(*seen, was_started=was_started), BOUNDS)
        assert (found.not_live, found.not_started) == ((), ()), seen


def test_reasons_name_what_is_wrong() -> None:
    found = judge(facts(SERVER, UNPOLLED, DOWN), BOUNDS)

    assert found.not_ready == (
        "queue payment: it is not polled by this process",
        "database: OSError: refused",
    )
    assert found.not_live == ("queue payment: it is not polled by this process, for 1000 s, and the server answers",)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def record(clock: Clock, **kinds: Kind) -> Record:
    made = Record(BOUNDS, clock=clock)
    for name, kind in kinds.items():
        made.expect(name, kind, fresh=40)
    return made


def test_what_polled_once_has_started_for_good() -> None:
    clock = Clock()
    made = record(clock, queue="queue", database="dependency")
    made.tell("database", "gone")
    assert made.verdict()[1].not_started == ("queue: not looked at yet",)

    made.tell("queue", None)
    assert made.verdict()[1].not_ready == ("database: gone",)
    assert made.verdict()[1].not_started == ()
    made.tell("queue", "not polled")

    assert made.verdict()[1].not_ready == ("queue: not polled", "database: gone")
    assert made.verdict()[1].not_started == ()


def test_one_that_never_was_ready_is_restarted_when_its_pollers_are_gone() -> None:
    """Its dependency is down from the start, so that the startup probe has let it pass and readiness is no sign."""
    clock = Clock()
    made = record(clock, server="server", queue="queue", database="dependency")
    for name, problem in (("server", None), ("queue", None), ("database", "gone")):
        made.tell(name, problem)
    assert made.verdict()[1].not_live == ()
    made.tell("queue", "not polled")
    clock.now += 181
    made.beat()
    for name, problem in (("server", None), ("queue", "not polled"), ("database", "gone")):
        made.tell(name, problem)

    assert made.verdict()[1].not_live == ("queue: not polled, for 181 s, and the server answers",)


def test_a_state_lasts_until_it_changes() -> None:
    clock = Clock()
    made = record(clock, queue="queue")
    lasting = []
    for problem, certain in (("no", True), ("no, still", True), ("unknown", False), (None, True), (None, True)):
        made.tell("queue", problem, certain=certain)
        clock.now += 10
        lasting.append(made.facts().seen[0].lasting)

    assert lasting == [10, 20, 10, 10, 20]


def test_a_look_that_never_ends_grows_old() -> None:
    clock = Clock()
    made = record(clock, database="dependency")
    made.tell("database", None)
    clock.now += 41
    made.beat()

    assert made.verdict()[1].not_ready == ("database: nothing was heard for 41 s",)
    assert made.verdict()[1].not_live == ()
