"""A command: what a workflow asked of the engine, in the words in which differences are reported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

__all__ = ["KEYED", "Command", "Json", "Kind"]

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


class Kind(StrEnum):
    """The sorts of commands that the gate compares."""

    ACTIVITY = "activity"
    LOCAL_ACTIVITY = "local activity"
    TIMER = "timer"
    CHILD = "child workflow"
    SIGNAL = "signal to"
    NEXUS = "nexus operation"
    SEARCH_ATTRIBUTES = "search attributes"
    MEMO = "memo"
    PATCH = "patch"
    CANCEL_ACTIVITY = "cancel of activity"
    CANCEL_TIMER = "cancel of timer"
    CANCEL_CHILD = "cancel of child workflow"
    CANCEL_EXTERNAL = "cancel of workflow"
    CANCEL_NEXUS = "cancel of nexus operation"
    UPDATE_ACCEPTED = "update"
    UPDATE_ANSWER = "answer to update"
    COMPLETE = "end with a result"
    FAIL = "end with a failure"
    CANCELLED = "end as cancelled"
    CONTINUE_AS_NEW = "continue as new"


KEYED = frozenset({Kind.LOCAL_ACTIVITY, Kind.UPDATE_ACCEPTED, Kind.UPDATE_ANSWER})
"""Kinds that are compared by their id. The engine records them when they finish, so their place says nothing."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command, from a history or from the code.

    - `name`: what people know it by: the activity type, the child's workflow type; empty where the kind says all.
    - `id`: what tells it from others of its kind: activity id, timer number, child workflow id, update id.
    - `options`: queue, timeouts and retries as words; what was not set is absent.
    - `allowed`: values of options that mean the same. Servers differ in what they fill in.
    - `data`: decoded payloads by word (`argument`, `result`, `memo`), as JSON.
    - `task`: the event id with which its workflow task started, that is, when it was asked for.
    - `event`: the id of its event in the history; 0 for a command that the code has just issued.
    - `called_off`: asked for and cancelled within one workflow task; the engine then records neither.
    """

    kind: Kind
    name: str = ""
    id: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    allowed: Mapping[str, str | None] = field(default_factory=dict)
    data: Mapping[str, tuple[Json, ...]] = field(default_factory=dict)
    task: int = 0
    event: int = 0
    called_off: bool = False

    def __str__(self) -> str:
        text = f"{self.kind} {self.name}" if self.name else str(self.kind)
        if self.kind is Kind.TIMER:
            text += f" of {self.options.get('duration', '0s')}"
        return text

    @property
    def place(self) -> str:
        """What a difference is said to be at: short for activities, with the event's id where there is one."""
        text = self.name if self.kind in (Kind.ACTIVITY, Kind.LOCAL_ACTIVITY) else f"{self.kind} {self.name}".rstrip()
        return f"{text} (event {self.event})" if self.event else text
