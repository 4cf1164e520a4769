"""Who serves a queue, by its pollers and by what workers tell of themselves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sagamesh.presence import Told, correct

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def beat(identity: str, ago: float, every: float = 60) -> Told:
    return Told(identity, running=True, at=NOW - timedelta(seconds=ago), every=timedelta(seconds=every))


def polls(identity: str) -> Told:
    return Told(identity, running=True)


def stops(identity: str) -> Told:
    return Told(identity, running=False)


@pytest.mark.parametrize(
    ("polled", "told", "present"),
    [
        pytest.param([], [], [], id="nobody"),
        pytest.param(["1@a", "1@b"], [], ["1@a", "1@b"], id="pollers, on a server without a list of workers"),
        pytest.param(["1@a"], [polls("1@a")], ["1@a"], id="a poller that is in the list, too"),
        pytest.param([], [beat("1@a", 58)], ["1@a"], id="too busy to poll"),
        pytest.param([], [beat("1@a", 24, every=10)], ["1@a"], id="too busy to poll, and a little late"),
        pytest.param(["1@b"], [beat("1@a", 58), polls("1@b")], ["1@a", "1@b"], id="one too busy, one not"),
        pytest.param([], [beat("1@a", 26, every=10)], [], id="killed"),
        pytest.param([], [beat("1@a", 60)], [], id="killed; it told of itself once a minute"),
        pytest.param([], [polls("1@a")], [], id="forgotten while it was asked about"),
        pytest.param(["1@a"], [stops("1@a")], [], id="stopping"),
        pytest.param(["1@a"], [stops("1@a"), polls("1@a")], ["1@a"], id="started again under the same name"),
        pytest.param([], [stops("1@a"), beat("1@a", 5)], ["1@a"], id="started again and too busy already"),
    ],
)
def test_present(polled: list[str], told: list[Told], present: list[str]) -> None:
    assert correct(polled, told, NOW) == tuple(present)
