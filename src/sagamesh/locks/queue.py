"""Who holds a lock and who waits for it: the rules, with time as an input. No clock, no connection."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sagamesh.locks.messages import Holder, LockStatus, Waiter

__all__ = ["asked", "due", "expired", "granted", "left", "renewed"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def asked(lock: LockStatus, waiter: Waiter) -> LockStatus:
    """Somebody wants the lock, and stands last in the queue. The same request again changes nothing."""
    known = {waiting.request for waiting in lock.waiting}
    if lock.holder is not None:
        known.add(lock.holder.request)
    if waiter.request in known:
        return lock
    return lock.model_copy(update={"waiting": (*lock.waiting, waiter)})


def left(lock: LockStatus, request: str) -> LockStatus:
    """Somebody gives the lock back, or waits no longer."""
    if lock.holder is not None and lock.holder.request == request:
        return lock.model_copy(update={"holder": None})
    waiting = tuple(waiter for waiter in lock.waiting if waiter.request != request)
    return lock if len(waiting) == len(lock.waiting) else lock.model_copy(update={"waiting": waiting})


def expired(lock: LockStatus, now: datetime) -> LockStatus:
    """The holder loses the lock once its lease is over."""
    if lock.holder is None or lock.holder.until > now:
        return lock
    return lock.model_copy(update={"holder": None})


def granted(lock: LockStatus, now: datetime) -> LockStatus:
    """The first in the queue gets the lock where nobody has it.

    Its fence is one more than the last, and at least the time in milliseconds: a lock that has ended and begins again
    remembers nothing, and still gives out larger ones.
    """
    if lock.holder is not None or not lock.waiting:
        return lock
    first, *rest = lock.waiting
    fence = max(lock.fence + 1, int((now - _EPOCH) / timedelta(milliseconds=1)))
    holder = Holder(
        request=first.request,
        task_id=first.task_id,
        lease_seconds=first.lease_seconds,
        fence=fence,
        until=now + timedelta(seconds=first.lease_seconds),
    )
    return lock.model_copy(update={"fence": fence, "holder": holder, "waiting": tuple(rest)})


def renewed(lock: LockStatus, request: str, now: datetime) -> LockStatus:
    """The holder's lease begins again; whoever does not hold the lock gets nothing by it."""
    holder = lock.holder
    if holder is None or holder.request != request or holder.until <= now:
        return lock
    until = max(holder.until, now + timedelta(seconds=holder.lease_seconds))
    return lock.model_copy(update={"holder": holder.model_copy(update={"until": until})})


def due(lock: LockStatus) -> datetime | None:
    """When the lock has to be looked at although nobody says anything; None for not."""
    return None if lock.holder is None else lock.holder.until
