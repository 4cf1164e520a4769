"""The routing tasks of the framework still do what recorded histories say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sagamesh.plugin import SagameshPlugin
from sagamesh.replay import advice, changed_fingerprint, read_history, replay
from sagamesh.routing.coordinator import Central
from sagamesh.routing.negotiation import Negotiated
from tests.routing.recording import HISTORIES, PATHS, Course

GOLDENS = sorted(HISTORIES.glob("*.json"))
ADVICE = advice("run scripts/record-histories")


def test_there_is_a_golden_of_every_course_and_no_other() -> None:
    assert {path.stem for path in GOLDENS} == {course.name for course in PATHS}


@pytest.mark.asyncio
async def test_they_still_do_what_they_did() -> None:
    histories = [read_history(path) for path in GOLDENS]

    found = await replay(histories, workflows=[Central, Negotiated], plugin=SagameshPlugin())

    assert all(verdict.ok for verdict in found), "\n".join(str(v) for v in found if not v.ok) + f"\n\n{ADVICE}"


@pytest.mark.asyncio
@pytest.mark.parametrize("path", GOLDENS, ids=lambda path: path.stem)
async def test_a_golden_is_what_its_fingerprint_says(path: Path) -> None:
    difference = await changed_fingerprint(path)

    assert not difference, f"\n{difference}\n\n{ADVICE}"


@pytest.mark.parametrize("course", PATHS, ids=lambda course: course.name)
def test_a_golden_takes_the_course_that_it_is_called_after(course: Course) -> None:
    assert course.says in (HISTORIES / f"{course.name}.txt").read_text()


@pytest.mark.parametrize("path", GOLDENS, ids=lambda path: path.stem)
def test_a_golden_tells_nothing_of_the_machine_that_recorded_it(path: Path) -> None:
    text = path.read_text()

    assert not re.findall(r"stackTrace|/(?:home|root|tmp|usr|work|Users)/|\d+@[\w.-]+", text)
    assert set(re.findall(r'"identity": "([^"]*)"', text)) == {"recorded"}
