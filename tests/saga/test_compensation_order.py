"""Whatever was begun is undone, newest first: any chain of steps that fails at any of them."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sagamesh import BusinessError
from tests.support import deeds, flows
from tests.support.deeds import Plan
from tests.support.engine import Engine
from tests.support.script import Act

pytestmark = pytest.mark.asyncio(loop_scope="session")

_number = itertools.count()
_UNDO = {"works.undo_first": "first", "works.undo_second": "second", "works.undo_third": "third"}


class NoWay(BusinessError):
    """A final answer."""


# Rounds of steps, one round after the other; the steps of a round run side by side. Each name occurs once.
ROUNDS = st.permutations(["first", "second", "third"]).flatmap(
    lambda names: st.integers(1, 3).map(lambda size: [names[n : n + size] for n in range(0, 3, size)])
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rounds=ROUNDS, failing=st.sampled_from(["first", "second", "third"]), effect=st.booleans())
async def test_what_was_begun_is_undone_newest_first(
    engine: Engine, rounds: list[list[str]], failing: str, effect: bool
) -> None:
    task_id = f"order-{engine.replayed}-{next(_number)}"
    script = engine.script(task_id)
    script.on(getattr(deeds, failing), Act(NoWay("no"), effect=effect))
    shape = "|".join(",".join(names) for names in rounds)
    running = await engine.start(flows.Arranged.task, Plan(how=shape), id=task_id)

    failure = await running.failure()

    reached = next(n for n, names in enumerate(rounds) if failing in names)
    begun = [name for names in rounds[: reached + 1] for name in names]
    undone = [_UNDO[name] for name in script.order if name in _UNDO]
    assert undone == begun[::-1]
    assert [step.step for step in failure.undone] == [f"works.{name}" for name in undone]
    assert script.standing == []
