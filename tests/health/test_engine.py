"""Whether a process is among a queue's pollers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from temporalio.api.taskqueue.v1 import PollerInfo

from sagamesh.health.engine import is_polled

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ME = "1@payment-7d9f"


def poller(identity: str, ago: float) -> PollerInfo:
    made = PollerInfo(identity=identity)
    made.last_access_time.FromDatetime(NOW - timedelta(seconds=ago))
    return made


@pytest.mark.parametrize(
    ("pollers", "running", "polled"),
    [
        pytest.param([], 600, False, id="nobody"),
        pytest.param([poller(ME, 1)], 600, True, id="this one"),
        pytest.param([poller(ME, 60)], 600, True, id="this one, idle"),
        pytest.param([poller(ME, 76)], 600, False, id="this one, not for long"),
        pytest.param([poller("1@payment-0000", 1)], 600, False, id="another of the same pool"),
        pytest.param([poller("11@payment-7d9f", 1)], 600, False, id="another on the same host"),
        pytest.param([poller(ME, 30)], 10, False, id="the container that was here before"),
        pytest.param([poller(ME, 30), poller(ME, 2)], 10, True, id="that one, and this one"),
        pytest.param([poller(ME, -4)], 1, True, id="the server's clock is ahead"),
        pytest.param([poller(ME, 4)], 1, True, id="the server's clock is behind"),
    ],
)
def test_is_polled(pollers: list[PollerInfo], running: float, polled: bool) -> None:
    assert is_polled(pollers, ME, started=NOW - timedelta(seconds=running), now=NOW) is polled
