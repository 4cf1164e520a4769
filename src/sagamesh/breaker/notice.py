"""The reason with which a queue is held: a sentence for people, in which programs find each breaker's state."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

__all__ = ["OURS", "Notice", "read_before", "read_notices", "with_before", "written"]

OURS: Final = "sagamesh breaker"
"""How the reason of every rate begins that a breaker's keeper has set."""

_LONGEST: Final = 1000
"""Characters of a reason that the server takes."""

_LONGEST_CAUSE: Final = 160

_BEFORE: Final = "; rate before: "
"""What follows upon the breakers. None of them can write it: their sentences have no semicolons."""

_NO_RATE: Final = "none"

_ONE: Final = re.compile(
    rf"{OURS} (?P<key>\S+) is (?P<state>open|half-open|forced open) since (?P<since>\S+?)"
    r"(?: until (?P<until>\S+?))?(?: by (?P<by>[^:]*?))?(?:: (?P<cause>.*))?"
)


@dataclass(frozen=True, slots=True)
class Notice:
    """One breaker that holds a queue.

    - `state`: `open`, `half-open` or `forced open`. `until`: when it lets the first probe through.
    - `by`: the worker that reported it, or the operator; `cause`: the error, or the operator's reason.
    """

    key: str
    state: str
    since: datetime
    until: datetime | None = None
    by: str = ""
    cause: str = ""


def written(notices: Iterable[Notice], longest: int = _LONGEST) -> str:
    """The reason that tells of these, in so many characters: by default as many as the server takes."""
    told = [_sentence(notice) for notice in notices]
    while len("; ".join(told)) > longest:
        index = max(range(len(told)), key=lambda index: len(told[index]))
        head, colon, cause = told[index].partition(": ")
        told[index] = head + colon + cause[: len(cause) // 2] if cause else head
        if not any(": " in sentence for sentence in told):
            return "; ".join(told)[:longest]
    return "; ".join(told)


def with_before(reason: str, rate: float | None, why: str) -> str:
    """A reason that also tells which rate somebody else had set for the queue before, and why; None for no rate."""
    tail = f"{_BEFORE}{_NO_RATE}"
    if rate is not None:
        tail = f"{_BEFORE}{rate:.17g}/s, "  # all digits, so that it comes back as it was
        tail += why[: max(_LONGEST_CAUSE, _LONGEST - len(reason) - len(tail))]
    if len(reason) + len(tail) > _LONGEST:
        reason = written(read_notices(reason).values(), _LONGEST - len(tail))
    return reason + tail


def read_before(reason: str) -> tuple[float | None, str] | None:
    """The rate that somebody else had set, and why, as `with_before` wrote them; None where the reason says neither."""
    _, _, told = reason.partition(_BEFORE)
    if told == _NO_RATE:
        return None, ""
    rate, found, why = told.partition("/s, ")
    try:
        return (float(rate), why) if found else None
    except ValueError:  # a person has changed the text
        return None


def read_notices(reason: str) -> dict[str, Notice]:
    """The breakers of which a reason tells, by their keys; none in a reason that somebody else wrote."""
    found = {}
    for sentence in reason.partition(_BEFORE)[0].split("; "):
        match = _ONE.fullmatch(sentence)
        since = _moment(match["since"]) if match else None
        if match is None or since is None:
            continue
        found[match["key"]] = Notice(
            key=match["key"],
            state=match["state"],
            since=since,
            until=_moment(match["until"] or ""),
            by=match["by"] or "",
            cause=match["cause"] or "",
        )
    return found


def _sentence(notice: Notice) -> str:
    told = f"{OURS} {notice.key} is {notice.state} since {_stamp(notice.since)}"
    if notice.until is not None:
        told += f" until {_stamp(notice.until)}"
    if notice.by:
        told += f" by {_plain(notice.by).replace(':', ' ')}"
    if notice.cause:
        told += f": {_plain(notice.cause)}"
    return told


def _plain(text: str) -> str:
    return " ".join(text.replace(";", ",").split())[:_LONGEST_CAUSE].strip()


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _moment(stamp: str) -> datetime | None:
    try:
        return datetime.fromisoformat(stamp)
    except ValueError:
        return None
