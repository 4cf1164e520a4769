"""Who is chosen, and why each other one is not: tables, and what holds for any mesh."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from temporalio.api.taskqueue.v1 import PollerInfo, TaskQueueStats
from temporalio.api.workflowservice.v1 import DescribeTaskQueueResponse

from sagamesh import Agent, Message
from sagamesh.discovery import state_of
from sagamesh.errors import DefinitionError
from sagamesh.routing import Candidate, Decision, Figures, Need, Reason, Refusal, decide
from sagamesh.routing.router import pause_before
from sagamesh.routing.survey import figures_of

ALIVE = Figures(workers=1, last_seen_seconds=1)


class Item(Message):
    """In and out."""


def candidate(queue: str = "a.eu", **more: Any) -> Candidate:
    agent, _, zone = queue.partition(".")
    return Candidate.model_validate({"capability": f"{agent}.do", "agent": agent, "queue": queue, "zone": zone, **more})


def need(**more: Any) -> Need:
    return Need.model_validate({"capability": "a.do", **more})


def reasons(decision: Decision, queue: str = "a.eu") -> list[str]:
    [found] = [each for each in decision.considered if each.candidate.queue == queue]
    return [str(refusal) for refusal in found.refusals]


REFUSED = [
    ("missing tag", need(required=["cold", "big"]), candidate(tags=["big"]), ALIVE, ["MissingTag: it lacks cold"]),
    ("excluded tag", need(excluded=["old"]), candidate(tags=["old"]), ALIVE, ["ExcludedTag: it is old"]),
    (
        "version",
        need(version=">=2,<3"),
        candidate(version="1.9.0"),
        ALIVE,
        ["WrongVersion: it is version 1.9.0, needed is >=2,<3"],
    ),
    (
        "no version at all",
        need(version=">=2"),
        candidate(version="blue"),
        ALIVE,
        ["WrongVersion: it is version blue, needed is >=2"],
    ),
    ("zone", need(zones=["us"]), candidate(), ALIVE, ["WrongZone: it is in zone eu, allowed is us"]),
    ("no zone", need(zones=["us"]), candidate("a"), ALIVE, ["WrongZone: it is in no zone, allowed is us"]),
    (
        "scope",
        need(scopes=["read"]),
        candidate(scopes=["read", "write"]),
        ALIVE,
        ["NotAllowed: the caller lacks the scope write"],
    ),
    ("nobody ever", need(), candidate(), Figures(), ["NobodyAlive: nobody has asked for work yet"]),
    (
        "nobody now",
        need(),
        candidate(),
        Figures(last_seen_seconds=61),
        ["NobodyAlive: nobody has asked for work for 61 s"],
    ),
    (
        "held",
        need(),
        candidate(),
        Figures(workers=1, held=True),
        ["Held: its queue is held, as by an open breaker"],
    ),
    (
        "half-open, and somebody waits there",
        need(),
        candidate(),
        Figures(workers=1, backlog=1, probe_seconds=5),
        ["Held: its breaker is half-open, and tries the calls that wait there already"],
    ),
    (
        "busy",
        need(most_waiting=2),
        candidate(),
        Figures(workers=2, backlog=5),
        ["Busy: 2.5 calls wait for each worker, allowed are 2"],
    ),
    (
        "several at once",
        need(required=["x"], zones=["us"]),
        candidate(),
        Figures(),
        [
            "MissingTag: it lacks x",
            "WrongZone: it is in zone eu, allowed is us",
            "NobodyAlive: nobody has asked for work yet",
        ],
    ),
]


@pytest.mark.parametrize(("asked", "who", "figures", "why"), [row[1:] for row in REFUSED], ids=[r[0] for r in REFUSED])
def test_refused(asked: Need, who: Candidate, figures: Figures, why: list[str]) -> None:
    decision = decide(asked, [who], {who.queue: figures})
    assert decision.chosen is None
    assert reasons(decision, who.queue) == why
    assert decision.explain() == f"{who.queue}: {', '.join(why)}"


@pytest.mark.parametrize("told", [Reason.WRONG_INPUT, Reason.NO_BID, Reason.NO_ANSWER])
def test_refused_for_what_only_the_caller_knows(told: Reason) -> None:
    against = {"a.eu": [Refusal(reason=told, why="so it is")]}
    decision = decide(need(), [candidate()], {"a.eu": ALIVE}, refusals=against)
    assert reasons(decision) == [f"{told.value}: so it is"]


ACCEPTED = [
    need(required=["cold"], zones=["eu"], version="~=1.4", scopes=["write", "read"], most_waiting=3),
    need(preferred=["nothing-of-it"], excluded=["old"]),
    need(version=">=1.4.2"),
]


@pytest.mark.parametrize("asked", ACCEPTED)
def test_accepted(asked: Need) -> None:
    who = candidate(tags=["cold"], version="1.4.2", scopes=["read"])
    if not asked.scopes:
        who = candidate(version="1.4.2")
    decision = decide(asked, [who], {"a.eu": Figures(workers=1, backlog=3)})
    assert decision.chosen == who


RANKED: list[tuple[str, Need, list[Candidate], dict[str, Figures], list[str], str]] = [
    (
        "nearest zone before everything",
        need(zones=["us", "eu"], preferred=["big"]),
        [candidate("a.eu", tags=["big"]), candidate("a.us")],
        {"a.eu": ALIVE, "a.us": Figures(workers=1, backlog=50)},
        ["a.us", "a.eu"],
        "its zone is farther: 1 against 0",
    ),
    (
        "preferred tags before load",
        need(preferred=["big", "cold"]),
        [candidate("a.eu", tags=["big"]), candidate("a.us", tags=["big", "cold"])],
        {"a.eu": ALIVE, "a.us": Figures(workers=1, backlog=9)},
        ["a.us", "a.eu"],
        "fewer preferred tags: 1 against 2",
    ),
    (
        "fewer calls for each worker",
        need(),
        [candidate("a.eu"), candidate("a.us")],
        {"a.eu": Figures(workers=1, backlog=3), "a.us": Figures(workers=4, backlog=8)},
        ["a.us", "a.eu"],
        "more calls wait for each worker: 3 against 2",
    ),
    (
        "the shorter wait",
        need(),
        [candidate("a.eu"), candidate("a.us")],
        {"a.eu": Figures(workers=1, backlog=3, oldest_seconds=4), "a.us": Figures(workers=1, backlog=3)},
        ["a.us", "a.eu"],
        "its oldest call waits longer: 4 against 0",
    ),
    (
        "by name, where nothing else differs",
        need(),
        [candidate("a.us"), candidate("a.eu")],
        {"a.eu": ALIVE, "a.us": ALIVE},
        ["a.eu", "a.us"],
        "alike; the task's id decides",
    ),
]


@pytest.mark.parametrize(
    ("asked", "candidates", "figures", "order", "behind"), [row[1:] for row in RANKED], ids=[row[0] for row in RANKED]
)
def test_ranked(
    asked: Need, candidates: list[Candidate], figures: dict[str, Figures], order: list[str], behind: str
) -> None:
    decision = decide(asked, candidates, figures)
    assert [each.queue for each in decision.ranked] == order
    assert [each.why_not for each in decision.considered] == ["", behind]


def test_equals_are_shared_out_by_the_task() -> None:
    def chosen(task: int) -> str:
        stood = {"a.eu": ALIVE, "a.us": ALIVE}
        return decide(need(), [candidate("a.eu"), candidate("a.us")], stood, salt=f"task-{task}").ranked[0].queue

    first = [chosen(task) for task in range(200)]
    assert 60 < first.count("a.eu") < 140  # 100 is expected, 7 the standard deviation
    assert first == [chosen(task) for task in range(200)]


def test_who_is_half_open_gets_a_probe_where_it_is_the_best_and_is_no_second_choice() -> None:
    half_open = Figures(workers=1, probe_seconds=5)
    decision = decide(
        need(zones=["eu", "us"]), [candidate("a.eu"), candidate("a.us")], {"a.eu": half_open, "a.us": ALIVE}
    )
    assert [who.queue for who in decision.ranked] == ["a.eu", "a.us"]
    decision = decide(
        need(zones=["us", "eu"]), [candidate("a.eu"), candidate("a.us")], {"a.eu": half_open, "a.us": ALIVE}
    )
    assert [who.queue for who in decision.ranked] == ["a.us"]
    assert reasons(decision, "a.eu") == ["Held: its breaker is half-open, and another is before it"]


tags = st.lists(st.sampled_from(["cold", "big", "old", "new"]), max_size=3, unique=True)
zones = st.lists(st.sampled_from(["eu", "us", "asia"]), max_size=3, unique=True)
figures = st.builds(
    Figures,
    workers=st.integers(0, 3),
    backlog=st.integers(0, 9),
    oldest_seconds=st.sampled_from([0.0, 1.0, 9.0]),
    held=st.booleans(),
    probe_seconds=st.sampled_from([0.0, 0.0, 5.0]),
)


@st.composite
def needs(draw: st.DrawFn) -> Need:
    excluded = draw(tags)
    return need(
        required=[tag for tag in draw(tags) if tag not in excluded],
        preferred=[tag for tag in draw(tags) if tag not in excluded],
        excluded=excluded,
        version=draw(st.sampled_from(["", ">=1", ">=2,<3", "!=1.5"])),
        zones=draw(zones),
        scopes=draw(st.lists(st.sampled_from(["read", "write"]), unique=True)),
        most_waiting=draw(st.sampled_from([None, 0, 2])),
    )


@st.composite
def meshes(draw: st.DrawFn) -> list[tuple[Candidate, Figures]]:
    queues = draw(st.lists(st.sampled_from(["a", "a.eu", "a.us", "a.asia", "b", "b.eu"]), unique=True))
    return [
        (
            candidate(
                queue,
                tags=draw(tags),
                version=draw(st.sampled_from(["1.0.0", "1.5", "2.1.0", "odd"])),
                scopes=draw(st.lists(st.sampled_from(["read", "write"]), unique=True)),
            ),
            draw(figures),
        )
        for queue in queues
    ]


@given(needs(), meshes(), st.sampled_from(["", "task-1", "task-2"]), st.randoms(use_true_random=False))
def test_whatever_the_mesh(asked: Need, mesh: list[tuple[Candidate, Figures]], salt: str, dice: Any) -> None:
    stood = {who.queue: figures for who, figures in mesh}
    decision = decide(asked, [who for who, _ in mesh], stood, salt=salt)

    # Everybody is accounted for: chosen, ranked with what put it behind, or refused with a reason.
    assert {each.candidate.queue for each in decision.considered} == set(stood)
    assert len(decision.considered) == len(mesh)
    for each in decision.considered:
        assert (each.rank is None) == bool(each.refusals)
        assert (each.why_not == "") == (each.candidate == decision.chosen)
    assert [each.rank for each in decision.considered if each.rank is not None] == list(
        range(1, len(decision.ranked) + 1)
    )

    # Nobody is ranked who must not serve.
    for who in decision.ranked:
        assert set(asked.required) <= set(who.tags)
        assert not set(asked.excluded) & set(who.tags)
        assert not asked.zones or who.zone in asked.zones
        assert set(who.scopes) <= set(asked.scopes)
        assert stood[who.queue].workers
        assert not stood[who.queue].held
        assert not stood[who.queue].probe_seconds or (who == decision.chosen and not stood[who.queue].backlog)

    # The order in which candidates are named says nothing.
    shuffled = [who for who, _ in mesh]
    dice.shuffle(shuffled)
    assert decide(asked, shuffled, stood, salt=salt) == decision

    # It survives the history.
    assert Decision.model_validate_json(decision.model_dump_json()) == decision


@pytest.mark.parametrize(
    ("seconds", "workers"),
    [(0, 1), (5, 1), (54, 1), (55, 0), (60, 0), (200, 0)],
)
def test_a_worker_that_was_not_heard_of_for_most_of_a_minute_is_dead(seconds: int, workers: int) -> None:
    now = datetime(2026, 1, 1, 12, tzinfo=UTC)
    poller = PollerInfo(identity="17@host")
    poller.last_access_time.FromDatetime(now - timedelta(seconds=seconds))
    answer = DescribeTaskQueueResponse(pollers=[poller], stats=TaskQueueStats(approximate_backlog_count=4))
    read = figures_of(state_of(answer, now, serves="a", kind="agent", queue="a.eu"), now)
    assert read == Figures(workers=workers, last_seen_seconds=seconds, backlog=4)
    decision = decide(need(), [candidate()], {"a.eu": read})
    assert (decision.chosen is None) == (workers == 0)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"version": "newest"}, "'newest' is no range of versions, such as '>=1,<2'"),
        ({"required": ["x"], "excluded": ["x", "y"]}, "x cannot be wanted and excluded"),
        ({"capability": ""}, "at least 1 character"),
        ({"most_waiting": -1}, "greater than or equal to 0"),
        ({"tag": ["x"]}, "Extra inputs are not permitted"),
    ],
)
def test_a_need_that_is_none(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        need(**wrong)


@pytest.mark.parametrize(
    ("attempt", "left", "pause"), [(2, 60, 0.5), (3, 60, 1), (5, 60, 4), (6, 60, 5), (999, 60, 5), (3, 0.2, 0.2)]
)
def test_pauses(attempt: int, left: float, pause: float) -> None:
    assert pause_before(attempt, timedelta(seconds=left)) == timedelta(seconds=pause)


@pytest.mark.parametrize("left", [0, -1])
def test_no_pause_when_the_time_is_over(left: int) -> None:
    assert pause_before(2, timedelta(seconds=left)) is None


class TestOn:
    """A capability on the queue that was chosen."""

    agent = Agent("a")
    provider = agent.provider("bank")
    do = agent.capability("do", takes=Item, returns=Item, inline=True)
    pay = agent.capability("pay", takes=Item, returns=Item, provider=provider)
    other = Agent("b").capability("do", takes=Item, returns=Item)

    def test_every_capability_of_the_agent_goes_to_the_zone(self) -> None:
        decision = decide(need(), [candidate()], {"a.eu": ALIVE})
        assert decision.on(self.do).queue == "a.eu"
        assert decision.on(self.pay).queue == "a.eu/bank"
        assert decision.on(self.do).type == "a.do"
        assert not decision.on(self.do).policy.inline

    def test_without_a_zone_it_is_what_it_was(self) -> None:
        assert decide(need(), [candidate("a")], {"a": ALIVE}).on(self.do) is self.do

    def test_another_agents_is_refused(self) -> None:
        with pytest.raises(DefinitionError, match=r"b\.do is not of a, which was chosen"):
            decide(need(), [candidate()], {"a.eu": ALIVE}).on(self.other)

    def test_nobody_was_chosen(self) -> None:
        with pytest.raises(DefinitionError, match=r"nobody was chosen for a\.do"):
            decide(need(), [candidate()], {}).on(self.do)
