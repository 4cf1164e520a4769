"""The reason of a hold: people read it, and programs find in it what was meant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagamesh.breaker.notice import OURS, Notice, read_notices, written

T0 = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "notice",
    [
        Notice("gateway", "open", T0, T0 + timedelta(minutes=1), "7@host", "Down: it said: no"),
        Notice("payment.charge", "half-open", T0),
        Notice("gateway", "forced open", T0, by="Olga P.", cause="maintenance until 14:00"),
        Notice("gateway", "forced open", T0, by="olga"),
        Notice("gateway", "open", T0, cause="until by since"),
    ],
)
def test_there_and_back(notice: Notice) -> None:
    assert read_notices(written([notice])) == {notice.key: notice}


@pytest.mark.parametrize("foreign", ["", "we go slowly today", "sagamesh: tenant_rate of the contract", OURS])
def test_what_others_wrote_is_not_ours(foreign: str) -> None:
    assert read_notices(foreign) == {}


texts = st.text(max_size=400)
notices = st.builds(
    Notice,
    key=st.from_regex(r"[a-z][a-z0-9-]{0,30}(\.[a-z_]{1,20})?", fullmatch=True),
    state=st.sampled_from(["open", "half-open", "forced open"]),
    since=st.just(T0),
    until=st.none() | st.just(T0 + timedelta(seconds=60)),
    by=texts,
    cause=texts,
)


@given(st.lists(notices, max_size=8, unique_by=lambda notice: notice.key))
def test_whatever_the_error_said_each_breaker_is_found_and_the_server_takes_it(told: list[Notice]) -> None:
    reason = written(told)

    assert len(reason) <= 1000
    assert "\n" not in reason
    found = read_notices(reason)
    assert [(n.key, n.state, n.since, n.until) for n in found.values()] == [
        (n.key, n.state, n.since, n.until) for n in told
    ]
