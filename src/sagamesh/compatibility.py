"""Whether a running agent and its caller understand each other, by the versions of the contract on either side.

A call carries the version of the agent that its caller's catalogue knows, as a header; the worker compares it with the
version that it serves. Headers are never encrypted, and a replay does not compare these: a task that runs may go on
with a catalogue that knows a newer agent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum
from typing import Final

from packaging.version import InvalidVersion, Version
from temporalio.api.common.v1 import Payload

__all__ = [
    "INCOMPATIBLE",
    "UNDO_VERSION",
    "VERSION",
    "VERSION_HEADERS",
    "Fit",
    "fit",
    "knowing",
    "known_version",
    "version_of",
    "version_payload",
]

INCOMPATIBLE: Final = "IncompatibleVersion"
"""The type of the error with which a worker refuses a call for its version."""

VERSION: Final = "sagamesh-version"
"""On a call: the version of the agent that the caller knows."""

UNDO_VERSION: Final = "sagamesh-undo-version"
"""On a supervised task's step: the same of its undo's agent, for the supervisor."""

VERSION_HEADERS: Final = frozenset({VERSION, UNDO_VERSION})

_KNOWN: ContextVar[str] = ContextVar("sagamesh_known_version", default="")


class Fit(StrEnum):
    """What the version that a worker serves is to a caller.

    - `COMPATIBLE`: it has all that the caller knows.
    - `OLDER`: of the same major version, but it may lack something; a newer worker has it.
    - `FOREIGN`: of another major version (below 1: another minor one), which promises nothing.
    """

    COMPATIBLE = "compatible"
    OLDER = "older"
    FOREIGN = "foreign"


def fit(serves: str, wanted: str) -> Fit:
    """Compare what a worker serves with what a caller knows, by the rules of semantic versioning.

    What is no version on either side cannot be compared, and is compatible. Build metadata (`+...`) does not count.
    """
    theirs, ours = _parsed(serves), _parsed(wanted)
    if theirs is None or ours is None:
        return Fit.COMPATIBLE
    if _line(theirs) != _line(ours):
        return Fit.FOREIGN
    return Fit.OLDER if theirs < ours else Fit.COMPATIBLE


@contextmanager
def knowing(version: str) -> Iterator[None]:
    """Let the calls that are scheduled in the block carry this version; empty for none."""
    token = _KNOWN.set(version)
    try:
        yield
    finally:
        _KNOWN.reset(token)


def known_version() -> str:
    """The version that a call which is scheduled now carries; empty for none."""
    return _KNOWN.get()


def version_payload(version: str) -> Payload:
    """The header's value."""
    return Payload(metadata={"encoding": b"binary/plain"}, data=version.encode())


def version_of(headers: Mapping[str, Payload], name: str = VERSION) -> str:
    """The version that a call carries; empty for none, as from another SDK or an older caller."""
    payload = headers.get(name)
    return "" if payload is None else payload.data.decode(errors="replace")


def _parsed(version: str) -> Version | None:
    try:
        return Version(Version(version).public)
    except InvalidVersion:
        return None


def _line(version: Version) -> tuple[int, int, int]:
    return version.epoch, version.major, version.minor if version.major == 0 else 0
