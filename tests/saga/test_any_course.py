"""Sagas of any shape, with agents that fail in any way and a cancel at any moment: all or nothing."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass

import pytest

from sagamesh import BusinessError
from tests.support import deeds, flows
from tests.support.deeds import Plan
from tests.support.engine import Engine
from tests.support.script import Act, Script

pytestmark = pytest.mark.asyncio(loop_scope="session")

SHAPES = [
    "first|second|third|finish|extra",
    "first,second,third|finish",
    "first,second|third,extra|finish,extra",
    "first|first,second|finish|extra,extra",
    "first,extra|second,third",
    "first,first,second|third",
    "extra|first|finish",
]


class NoWay(BusinessError):
    """A final answer."""


@dataclass
class Course:
    """One saga: its shape, and after how many lines of the script it is cancelled; -1 for never."""

    number: int
    shape: str
    cancel_after: int

    @classmethod
    def drawn(cls, number: int, script: Script) -> Course:
        """The same number is the same course."""
        dice = random.Random(number)  # no secret
        for capability in (deeds.first, deeds.second, deeds.third, deeds.finish, deeds.extra):
            script.on(capability, *(drawn_act(dice) for _ in range(3)))
        for undo in (deeds.undo_first, deeds.undo_second, deeds.undo_third):
            # An undo is tried three times, so two failures are not for an operator.
            script.on(undo, *(Act(ConnectionError("lost"), effect=dice.random() < 0.5),) * dice.randrange(3), Act())
        return cls(number, dice.choice(SHAPES), dice.choice([-1, dice.randrange(20)]))


def drawn_act(dice: random.Random) -> Act:
    pause = dice.choice([None, None, lambda: asyncio.sleep(0.02)])
    answer = dice.choices([None, NoWay("no"), ConnectionError("lost")], [8, 1, 1])[0]
    return Act(answer, effect=answer is None or dice.random() < 0.5, before=pause, after=pause)


async def follow(engine: Engine, number: int) -> str:
    """Start one course, cancel it at its moment, and hold its end against the rule."""
    task_id = f"course-{engine.replayed}-{number}"
    script = engine.script(task_id)
    course = Course.drawn(number, script)
    running = await engine.start(flows.Arranged.task, Plan(how=course.shape), id=task_id)
    ending = asyncio.create_task(running.outcome())
    while course.cancel_after >= 0 and len(script.log) < course.cancel_after and not ending.done():  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    if course.cancel_after >= 0 and not ending.done():
        await asyncio.gather(running.temporal.cancel(), return_exceptions=True)
    outcome = await ending

    undone = [name for name in script.order if "undo" in name]
    reversible = [step for step in script.standing if step.partition("#")[0].removeprefix("works.") in REVERSIBLE]
    if outcome == "COMPLETED":
        assert undone == [], course
        assert len(reversible) == sum(course.shape.count(name) for name in REVERSIBLE), course
        assert ("works.finish" in script.standing) == ("finish" in course.shape), course
    else:
        assert outcome in ("FAILED", "CANCELED"), course
        assert reversible == [], course
    return outcome


REVERSIBLE = ("first", "second", "third")


@pytest.mark.parametrize("start", range(0, 60, 30))
async def test_any_course_is_all_or_nothing(engine: Engine, start: int) -> None:
    outcomes = await asyncio.gather(*(follow(engine, number) for number in range(start, start + 30)))

    assert len(set(outcomes)) == 3
