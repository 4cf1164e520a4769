"""The schedule of a game day: repeatable, complete, and never more than a right system must bear."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sagamesh.chaos import KINDS, Kind, Schedule, Targets, schedule
from sagamesh.chaos.saved import read_schedule, save_schedule
from sagamesh.errors import InvalidInput

SHOP = Targets(
    processes=("temporal", "gateway", "mailbox", "accounts", "inventory", "payment", "notification", "orders"),
    databases=("accounts", "inventory"),
    capabilities=("payment.charge", "inventory.reserve"),
)
NAMES = st.lists(st.sampled_from([f"part-{n}" for n in range(12)]), unique=True, max_size=12).map(tuple)
TARGETS = st.builds(
    Targets,
    processes=NAMES,
    databases=NAMES.map(lambda names: tuple(f"{name}.db" for name in names)),
    capabilities=NAMES.map(lambda names: tuple(f"{name}.call" for name in names)),
)


@settings(deadline=None)  # the machine may be busy
@given(seed=st.integers(), minutes=st.floats(0.5, 15), targets=TARGETS, kinds=st.sets(st.sampled_from(KINDS)))
def test_any_schedule(seed: int, minutes: float, targets: Targets, kinds: set[Kind]) -> None:
    if not any(targets.of(kind) for kind in kinds):
        with pytest.raises(InvalidInput, match="nothing to hurt"):
            schedule(seed, minutes, targets, sorted(kinds))
        return
    planned = schedule(seed, minutes, targets, sorted(kinds))

    assert planned == schedule(seed, minutes, targets, sorted(kinds, reverse=True))
    assert planned == Schedule.model_validate_json(planned.model_dump_json())
    assert 0 < planned.end <= minutes * 60 + 0.1
    assert [fault.at for fault in planned.faults] == sorted(fault.at for fault in planned.faults)
    for n, fault in enumerate(planned.faults):
        assert fault.kind in kinds
        assert fault.target in targets.of(fault.kind)
        assert (fault.seconds == 0) == (fault.kind == "kill")
        assert (fault.rule is not None) == (fault.kind in ("delay", "error", "lose-answer"))
        assert fault.rule is None or (fault.rule.capability == fault.target and not fault.rule.final)
        for later in planned.faults[n + 1 :]:
            if later.target == fault.target and targets.of(later.kind) == targets.of(fault.kind):
                # Times are rounded to a tenth of a second.
                assert later.at + 0.2 >= fault.end + (30 if fault.kind == "kill" else 0)


def test_three_minutes_reach_every_kind_and_most_processes() -> None:
    for seed in range(20):
        planned = schedule(seed, 3, SHOP)
        assert {fault.kind for fault in planned.faults} == set(KINDS)
        assert len({fault.target for fault in planned.faults if fault.kind == "kill"}) >= 6
        assert 20 <= len(planned.faults) <= 50


def test_another_seed_is_another_schedule() -> None:
    assert len({schedule(seed, 3, SHOP).faults for seed in range(50)}) == 50


@pytest.mark.parametrize(
    ("minutes", "kinds", "problem"),
    [(3, ["lock"], "kinds: lock: nothing to hurt"), (0.01, ["kill"], r"minutes: 0\.01 is too short")],
)
def test_what_cannot_be_planned(minutes: float, kinds: list[Kind], problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem):
        schedule(1, minutes, Targets(processes=("a",)), kinds)


KILL = {"at": 1, "kind": "kill", "target": "payment"}
DELAY = {"at": 2, "kind": "delay", "target": "payment.charge", "seconds": 3}
RULE = {"capability": "payment.charge", "delay": 1}


@pytest.mark.parametrize(
    ("faults", "problem"),
    [
        ([], "faults: there are none"),
        ([{**KILL, "target": "paiment"}], "faults[0].target: nothing to kill is called 'paiment'"),
        ([KILL, {**DELAY, "at": 58, "rule": RULE}], "faults[1].at: it ends after 61 s, and the schedule after 60 s"),
        ([{**KILL, "at": 5}, KILL], "faults[1].at: the one before it begins later, at 5 s"),
        ([DELAY], "faults[0].rule: a fault of kind delay needs one"),
        ([{**KILL, "rule": RULE}], "faults[0].rule: a fault of kind kill has none"),
        (
            [{**DELAY, "rule": {**RULE, "capability": "payment.*"}}],
            "faults[0].rule.capability: must be the target, 'payment.charge', and is 'payment.*'",
        ),
        ([{**DELAY, "kind": "error", "rule": RULE}], "faults[0].rule: it does not do what a fault of kind error does"),
    ],
)
def test_a_schedule_of_a_file_that_is_none(tmp_path: Path, faults: list[dict[str, Any]], problem: str) -> None:
    path = tmp_path / "schedule.json"
    path.write_text(json.dumps({"seed": 1, "minutes": 1, "faults": faults}))
    with pytest.raises(InvalidInput) as refused:
        read_schedule(path, SHOP)
    assert [str(each).startswith(problem) for each in refused.value.fields] == [True]


@settings(deadline=None)  # the machine may be busy
@given(seed=st.integers(0, 10_000), minutes=st.floats(0.5, 15))
def test_what_was_saved_can_be_read(seed: int, minutes: float) -> None:
    planned = schedule(seed, minutes, SHOP)
    with TemporaryDirectory() as folder:
        assert read_schedule(save_schedule(planned, Path(folder)), SHOP) == planned
