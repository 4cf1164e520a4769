"""The rules of a lock, with time as an input."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagamesh.errors import DefinitionError
from sagamesh.locks import LockStatus, lock, queue
from sagamesh.locks.messages import Waiter

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MS = int(NOW.timestamp() * 1000)


def waiter(request: str, lease: float = 30) -> Waiter:
    """Somebody who asks."""
    return Waiter(request=request, task_id=f"task-{request}", lease_seconds=lease, since=NOW)


def held(*requests: str) -> LockStatus:
    """A lock that the first of these holds and the others wait for."""
    status = LockStatus(name="it")
    for request in requests:
        status = queue.asked(status, waiter(request))
    return queue.granted(status, NOW)


def shown(status: LockStatus) -> tuple[str, str]:
    """Who holds it, and who waits."""
    return status.holder.request if status.holder else "", "".join(each.request for each in status.waiting)


@pytest.mark.parametrize(
    ("before", "act", "after"),
    [
        (held(), lambda lock: queue.asked(lock, waiter("a")), ("", "a")),
        (held("a"), lambda lock: queue.asked(lock, waiter("b")), ("a", "b")),
        (held("a"), lambda lock: queue.asked(lock, waiter("a")), ("a", "")),
        (held("a", "b"), lambda lock: queue.asked(lock, waiter("b")), ("a", "b")),
        (held("a", "b", "c"), lambda lock: queue.left(lock, "a"), ("", "bc")),
        (held("a", "b", "c"), lambda lock: queue.left(lock, "b"), ("a", "c")),
        (held("a", "b"), lambda lock: queue.left(lock, "x"), ("a", "b")),
        (held("a", "b"), lambda lock: queue.granted(lock, NOW), ("a", "b")),
        (held("a", "b"), lambda lock: queue.granted(queue.left(lock, "a"), NOW), ("b", "")),
        (held("a", "b"), lambda lock: queue.expired(lock, NOW + timedelta(seconds=29)), ("a", "b")),
        (held("a", "b"), lambda lock: queue.expired(lock, NOW + timedelta(seconds=30)), ("", "b")),
        (held("a", "b"), lambda lock: queue.renewed(lock, "b", NOW), ("a", "b")),
    ],
)
def test_rules(before: LockStatus, act: object, after: tuple[str, str]) -> None:
    assert callable(act)
    assert shown(act(before)) == after


def test_a_renewal_begins_the_lease_again_while_it_lasts() -> None:
    status = held("a")
    later = queue.renewed(status, "a", NOW + timedelta(seconds=20))
    too_late = queue.renewed(status, "a", NOW + timedelta(seconds=30))
    assert queue.due(status) == NOW + timedelta(seconds=30)
    assert queue.due(later) == NOW + timedelta(seconds=50)
    assert queue.due(too_late) == queue.due(status)
    assert queue.due(LockStatus(name="it")) is None


def test_the_first_fence_is_the_time_and_the_next_are_larger() -> None:
    status = held("a", "b")
    then = queue.granted(queue.left(status, "a"), NOW)
    much_later = queue.granted(queue.asked(LockStatus(name="it"), waiter("c")), NOW + timedelta(seconds=10))
    assert (status.fence, then.fence) == (MS, MS + 1)
    assert much_later.fence > then.fence


ACTS = st.lists(
    st.tuples(
        st.sampled_from(["ask", "leave", "renew", "pass", "begin again"]),
        st.sampled_from("abcdef"),
        st.integers(min_value=1, max_value=40),
    ),
    max_size=60,
)


@given(ACTS)
def test_whatever_happens(acts: list[tuple[str, str, int]]) -> None:
    """One holder at a time, in the order of asking, never two fences alike; nobody who asked is forgotten."""
    status, now, fences = LockStatus(name="it"), NOW, []
    line: list[str] = []
    for what, who, seconds in acts:
        now += timedelta(milliseconds=1)
        if what == "ask":
            if who not in line:
                line.append(who)
            status = queue.asked(status, waiter(who))
        elif what == "leave":
            line = [each for each in line if each != who]
            status = queue.left(status, who)
        elif what == "renew":
            status = queue.renewed(status, who, now)
        elif what == "pass":
            now += timedelta(seconds=seconds)
        elif status.holder is None and not status.waiting:
            status, now = LockStatus(name="it"), now + timedelta(seconds=10)
        before = status.holder
        status = queue.expired(status, now)
        if before is not None and status.holder is None:
            line.remove(before.request)
        if status.holder is None:
            status = queue.granted(status, now)
            if status.holder is not None:
                fences.append(status.holder.fence)
        assert [*([status.holder.request] if status.holder else []), *(each.request for each in status.waiting)] == line
        assert status.holder is not None or not status.waiting
    assert fences == sorted(set(fences))


@pytest.mark.parametrize(
    ("name", "lease", "wait"),
    [
        ("", 30, 1),
        ("with space", 30, 1),
        ("x" * 151, 30, 1),
        ("-x", 30, 1),
        ("it", 0, 1),
        ("it", 0.5, 1),
        ("it", 30, 0),
        ("it", 30, -1),
    ],
)
def test_what_no_lock_can_be(name: str, lease: float, wait: float) -> None:
    with pytest.raises(DefinitionError, match="lock"):
        lock(name, lease=timedelta(seconds=lease), wait=timedelta(seconds=wait))
