"""What is wrong with a deployment, what a rollback does, which steps are left: decisions without a server."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from sagamesh.deployments.claim import code_problem
from sagamesh.deployments.deployment import Deployment, Routing, State, Version, only, troubles
from sagamesh.deployments.patience import passes
from sagamesh.deployments.rollback import Plan, plan
from sagamesh.deployments.rollout import check_steps, steps_left
from sagamesh.errors import InvalidInput, Refused, SagameshError, ServerUnreachable, UnknownName


def _version(build: str, state: State = State.INACTIVE, *, was_current: int = 0, **changed: object) -> Version:
    return replace(
        Version(
            deployment="shop",
            build=build,
            state=state,
            share=100.0 if state is State.CURRENT else 0.0,
            open_tasks=0,
            workers=("1@host",),
            queues=("orders",),
            unpolled=(),
            hosts_tasks=True,
            created=datetime(2026, 1, 1, tzinfo=UTC),
            last_current=datetime(2026, 1, was_current, tzinfo=UTC) if was_current else None,
        ),
        **changed,  # type: ignore[arg-type]  # the fields' own types
    )


def _deployment(*versions: Version, ramping: str | None = None, **changed: object) -> Deployment:
    current = next((each.build for each in versions if each.state is State.CURRENT), None)
    made = Deployment(
        name="shop",
        current=current,
        ramping=ramping,
        percent=10.0 if ramping else 0.0,
        versions=versions,
        ramp_ended=False,
        waits=(),
        token=b"",
    )
    return replace(made, **changed)  # type: ignore[arg-type]  # the fields' own types


V1 = _version("v1", State.DRAINING, was_current=1)
V2 = _version("v2", State.CURRENT, was_current=2)
V3 = _version("v3", State.RAMPING)
BACK = _version("v1", State.CURRENT, was_current=3)
TAKEN = _version("v2", State.DRAINING, was_current=2, rolled_back="slow")


@pytest.mark.parametrize(
    ("deployment", "to", "expected"),
    [
        (_deployment(V2, V1), None, Plan("v2", "v1", ramp=False)),
        (_deployment(V3, V2, V1, ramping="v3"), None, Plan("v3", "v2", ramp=True)),
        (_deployment(V3, V2, V1, ramping="v3"), "v2", Plan("v3", "v2", ramp=True)),
        (_deployment(_version("v1"), ramping="v1"), None, Plan("v1", "", ramp=True)),
        # The second time.
        (_deployment(V2, V1, ramp_ended=True), None, Plan("", "v2", ramp=False)),
        (_deployment(TAKEN, BACK), None, Plan("", "v1", ramp=False)),
        (_deployment(_version("v1", rolled_back="x"), ramp_ended=True), None, Plan("", "", ramp=False)),
        # By name all the same.
        (_deployment(TAKEN, BACK), "v2", Plan("v1", "v2", ramp=False)),
        (_deployment(V2, V1, ramp_ended=True), "v1", Plan("v2", "v1", ramp=False)),
        (_deployment(V2, V1), "v2", Plan("", "v2", ramp=False)),
        # The one that was current last, whichever is newest.
        (_deployment(_version("v0", was_current=9), V2, V1), None, Plan("v2", "v0", ramp=False)),
    ],
)
def test_what_a_rollback_does(deployment: Deployment, to: str | None, expected: Plan) -> None:
    assert plan(deployment, to) == expected


def test_a_rollback_that_cannot_be_is_refused() -> None:
    with pytest.raises(Refused, match="no version of shop was current before v2"):
        plan(_deployment(V2))
    with pytest.raises(Refused, match="v3 is ramping"):
        plan(_deployment(V3, V2, V1, ramping="v3"), "v1")
    with pytest.raises(UnknownName):
        plan(_deployment(V2, V1), "v7")


@pytest.mark.parametrize(
    ("deployment", "said", "advice"),
    [
        (_deployment(V2, V1), [], ""),
        (_deployment(V3, V2, V1, ramping="v3"), [], ""),
        (
            _deployment(_version("v1"), waits=("orders",)),
            ["no version is current: what is new waits on orders"],
            "sagamesh deploy promote v1 --deployment shop",
        ),
        (
            _deployment(replace(V2, unpolled=("orders",))),
            ["v2 gets 100 % and has no worker on orders"],
            "start its workers, or: sagamesh deploy rollback --deployment shop",
        ),
        (
            _deployment(V2, replace(V1, unpolled=("orders",), workers=(), open_tasks=3)),
            ["3 open tasks are pinned to v1, which has no worker on orders"],
            "keep workers of v1 until `sagamesh deploy status` shows it drained",
        ),
        # A version that is done with may lose its workers.
        (_deployment(V2, replace(V1, unpolled=("orders",), workers=())), [], ""),
    ],
)
def test_what_is_wrong_with_a_deployment(deployment: Deployment, said: list[str], advice: str) -> None:
    found = troubles(deployment)
    assert [each.message for each in found] == said
    assert [each.advice for each in found] == ([advice] if said else [])


def test_which_deployment_is_meant() -> None:
    shop, post = _deployment(V2), replace(_deployment(V2), name="post")
    assert only([shop]) is shop
    with pytest.raises(Refused, match=r"several deployments \(post, shop\)"):
        only([shop, post])
    with pytest.raises(Refused, match="TEMPORAL_DEPLOYMENT_NAME"):
        only([])


@pytest.mark.parametrize(
    ("routing", "shares", "said"),
    [
        (Routing("v1", None, 0), (100, 0), "v1 has everything"),
        (Routing("v1", "v2", 33.33), (66.67, 33.33), "v2 gets 33.33 %, v1 the rest"),
        (Routing(None, "v2", 10), (0, 10), "v2 gets 10 %, unversioned workers the rest"),
        (Routing(None, None, 0), (0, 0), "unversioned workers have everything"),
    ],
)
def test_who_gets_what_is_new(routing: Routing, shares: tuple[float, float], said: str) -> None:
    assert (routing.share("v1"), routing.share("v2")) == shares
    assert str(routing) == said


@pytest.mark.parametrize(
    "steps", [(), (10,), (50, 10, 100), (0, 100), (10, 10, 100), (10, 10.001, 100), (10, 101), (-1, 100)]
)
def test_steps_must_rise_to_all(steps: tuple[float, ...]) -> None:
    with pytest.raises(InvalidInput, match="they must rise"):
        check_steps(steps)


@pytest.mark.parametrize(
    ("error", "passing"),
    [
        (ServerUnreachable("nobody answers"), True),
        (Refused("ResourceExhausted", "too many questions"), True),
        (ServerUnreachable("nobody is let in", reason="NoEntry"), False),
        (Refused("InvalidArgument", "what?"), False),
        (Refused("Changed", "somebody else"), False),
        (UnknownName("deployment", "shop", ()), False),
    ],
)
def test_which_questions_are_asked_again(error: SagameshError, *, passing: bool) -> None:
    assert passes(error) is passing


def test_steps_have_as_many_digits_as_are_read_from_the_server() -> None:
    assert check_steps((33.333, 66.666, 100)) == (33.33, 66.67, 100)


def test_a_ramp_goes_on_where_it_was_left() -> None:
    steps = check_steps((10, 50, 100))
    assert steps_left(steps, 0) == (10, 50, 100)
    assert steps_left(steps, 10) == (10, 50, 100)
    assert steps_left(steps, 25) == (50, 100)
    assert steps_left(steps, 50) == (50, 100)


@pytest.mark.parametrize(
    ("keys", "refused"),
    [
        ((), False),
        (("sagamesh.code.aa.1", "sagamesh.code.aa.2"), False),
        (("other", "sagamesh.rolled-back"), False),
        (("sagamesh.code.bb.1",), True),
        (("sagamesh.code.aa.1", "sagamesh.code.bb.2"), True),
    ],
)
def test_whose_build_id_it_is(keys: tuple[str, ...], *, refused: bool) -> None:
    assert bool(code_problem(keys, "aa")) is refused
