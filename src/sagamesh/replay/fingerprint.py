"""A path in a few lines of text: which commands, in which order, with which options, carrying data of which shape.

It lies beside a recorded history, so that what recording again has changed can be read in a review. Ids, times and
the values of arguments are not part of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from temporalio.client import WorkflowHistory
from temporalio.converter import DataConverter

from sagamesh.converter import data_converter
from sagamesh.replay.command import Command, Json, Kind
from sagamesh.replay.decoded import decoded
from sagamesh.replay.origin import origin_of
from sagamesh.replay.recorded import recorded_commands

__all__ = ["fingerprint", "fingerprint_of", "shape"]

# These take few values, and which one is the point.
_SHOWN_AS_THEY_ARE = frozenset({"search attribute"})


async def fingerprint_of(
    history: WorkflowHistory, *, converter: DataConverter = data_converter, namespace: str = "default"
) -> str:
    """The fingerprint of a history; `converter` opens its payloads.

    Raises:
        ValueError: when it does not begin with the start of a workflow.
    """
    origin = origin_of(history.workflow_id, history.events)
    events = await decoded(history.events, origin, converter, namespace)
    return fingerprint(origin.workflow_type, [_without_id(c, origin.workflow_id) for c in recorded_commands(events)])


def fingerprint(workflow_type: str, commands: Iterable[Command]) -> str:
    """The fingerprint of a path, ending in a newline."""
    lines = [f"workflow {workflow_type}"]
    for command in commands:
        lines.append(_heading(command))
        lines += [f"    {line}" for line in _details(command)]
    return "\n".join(lines) + "\n"


def shape(value: Json) -> str:
    """The shape of a JSON value: `{amount: text, items: [number], note: text or null}`."""
    match value:
        case None:
            return "null"
        case bool():
            return "yes or no"
        case str():
            return "text"
        case int() | float():
            return "number"
        case list():
            return f"[{' or '.join(dict.fromkeys(shape(item) for item in value))}]"
        case dict():
            return "{" + ", ".join(f"{key}: {shape(value[key])}" for key in sorted(value)) + "}"


def _without_id(command: Command, workflow_id: str) -> Command:
    # Ids of other workflows are often made from this one's, which is another on every recording.
    if command.kind in (Kind.SIGNAL, Kind.CANCEL_EXTERNAL):
        return replace(command, name=command.name.replace(workflow_id, "<id>"))
    return command


def _heading(command: Command) -> str:
    # An activity's id is part of the key of its effect; the engine's own numbers say nothing.
    named = command.kind in (Kind.ACTIVITY, Kind.CANCEL_ACTIVITY) and not command.id.isdigit()
    return f"{command} ({command.id})" if named and command.id != command.name else str(command)


def _details(command: Command) -> Iterable[str]:
    if command.kind is not Kind.TIMER:
        yield from (f"{word} {value}" for word, value in command.options.items())
    for word, values in command.data.items():
        named = "" if command.kind.startswith(word) else f"{word} "  # the heading says it already
        for n, value in enumerate(values, start=1):
            number = f"{n} " if len(values) > 1 else ""
            yield f"{named}{number}{_shown(word, value)}"


def _shown(word: str, value: Json) -> str:
    if word == "failure":
        return " because of ".join(_failure_types(value))
    if word in _SHOWN_AS_THEY_ARE and isinstance(value, dict):
        return ", ".join(f"{name} = {_text(item)}" for name, item in sorted(value.items()))
    return shape(value)


def _text(value: Json) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _failure_types(value: Json) -> Iterable[str]:
    while isinstance(value, dict):
        yield str(value.get("type") or value.get("activity") or value.get("child workflow") or value.get("kind", ""))
        value = value.get("cause")
