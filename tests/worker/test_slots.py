"""How many calls a process serves at a time: what follows from the settings, and what a pool says of itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest
from temporalio.worker import PollerBehaviorAutoscaling, PollerBehaviorSimpleMaximum

from sagamesh import Agent, Pool
from sagamesh.errors import DefinitionError, InvalidInput
from sagamesh.pollers import Pollers, polling
from sagamesh.settings import WorkerSettings, read_settings
from sagamesh.slots import ResourceSlots, Slots, fixed, least, most, together, tuner


@pytest.mark.parametrize(
    ("variables", "slots", "pollers"),
    [
        ({}, 10, 5),
        ({"SAGAMESH_SLOTS": "25", "SAGAMESH_POLLERS": "2"}, 25, 2),
        ({"SAGAMESH_SLOTS": "resources", "SAGAMESH_POLLERS": "auto"}, ResourceSlots(), "auto"),
        (
            {"SAGAMESH_SLOTS": "resources", "SAGAMESH_TARGET_CPU": "60", "SAGAMESH_TARGET_MEMORY": "70.5"},
            ResourceSlots(cpu=60, memory=70.5),
            5,
        ),
        ({"SAGAMESH_SLOTS": "resources", "SAGAMESH_SLOTS_MOST": "40"}, ResourceSlots(most=40), 5),
        ({"SAGAMESH_TARGET_CPU": "60"}, 10, 5),
    ],
)
def test_settings(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], slots: Slots, pollers: Pollers) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    settings = read_settings(WorkerSettings)

    assert (settings.capacity, settings.pollers) == (slots, pollers)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SAGAMESH_SLOTS", "0"),
        ("SAGAMESH_SLOTS", "many"),
        ("SAGAMESH_SLOTS_MOST", "0"),
        ("SAGAMESH_TARGET_CPU", "0"),
        ("SAGAMESH_TARGET_MEMORY", "101"),
        ("SAGAMESH_POLLERS", "1"),
        ("SAGAMESH_POLLERS", "some"),
        ("SAGAMESH_GRACE", "-1"),
        ("SAGAMESH_PROBE_PORT", "65536"),
    ],
)
def test_a_wrong_setting_is_named_once_and_its_value_never(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(InvalidInput) as refused:
        read_settings(WorkerSettings)

    [field] = refused.value.fields
    assert field.field == name
    assert value == "0" or value not in field.problem


@pytest.mark.parametrize(
    "given", [{"cpu": 0}, {"cpu": 101}, {"memory": -1}, {"least": 0}, {"most": 0}, {"least": 5, "most": 4}]
)
def test_what_resources_cannot_be(given: dict[str, int]) -> None:
    with pytest.raises(DefinitionError):
        ResourceSlots(**given)


@pytest.mark.parametrize(
    ("each", "expected"),
    [
        ([], None),
        ([3], 3),
        ([3, 4], 7),
        ([ResourceSlots(most=9)], ResourceSlots(most=9)),
        ([3, ResourceSlots(cpu=60, most=9)], ResourceSlots(cpu=60, least=4, most=12)),
        (
            [ResourceSlots(cpu=60, memory=90), ResourceSlots(cpu=70, memory=50, least=2)],
            ResourceSlots(cpu=60, memory=50, least=3, most=200),
        ),
    ],
)
def test_one_worker_for_several_pools(each: Sequence[Slots], expected: Slots | None) -> None:
    assert together(each) == expected


@pytest.mark.parametrize(
    ("slots", "at_least", "at_most", "number"),
    [(1, 1, 1, 1), (25, 25, 25, 25), (ResourceSlots(), 1, 100, None), (ResourceSlots(least=2, most=9), 2, 9, None)],
)
def test_bounds(slots: Slots, at_least: int, at_most: int, number: int | None) -> None:
    assert (least(slots), most(slots), fixed(slots)) == (at_least, at_most, number)
    assert (tuner(slots) is None) == (number is not None)


def test_a_pool_says_its_own_before_the_process() -> None:
    own, other = Pool(Agent("own"), slots=ResourceSlots(most=3)), Pool(Agent("other"))
    for pool in (own, other):
        pool.configure(slots=ResourceSlots(most=7), grace=timedelta(0))

    assert (own.capacity, own.slots) == (ResourceSlots(most=3), 3)
    assert (other.capacity, other.slots) == (ResourceSlots(most=7), 7)


def test_pollers() -> None:
    assert polling(7) == PollerBehaviorSimpleMaximum(maximum=7)
    assert polling("auto") == PollerBehaviorAutoscaling()
