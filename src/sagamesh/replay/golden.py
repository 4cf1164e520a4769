"""Golden histories: recorded once, kept beside the tests, each with its fingerprint."""

from __future__ import annotations

import difflib
import json
from pathlib import Path

from google.protobuf import json_format
from google.protobuf.message import Message
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.client import WorkflowHistory
from temporalio.converter import DataConverter

from sagamesh.converter import data_converter
from sagamesh.errors import InvalidInput
from sagamesh.failure import FieldProblem
from sagamesh.replay.fingerprint import fingerprint_of
from sagamesh.replay.origin import origin_of

__all__ = ["changed_fingerprint", "fingerprint_path", "read_history", "without_traces", "write_golden"]

_IDENTITY = "recorded"
# What a machine writes of itself into a history: where code lies, who ran it, what it was built from.
_CLEARED = frozenset({"stack_trace", "worker_version", "binary_checksum"})
_RENAMED = frozenset({"identity"})


def read_history(path: Path) -> WorkflowHistory:
    """Read a history as `write_golden`, the Web UI or `temporal workflow show --output json` wrote it.

    Raises:
        InvalidInput: when the file cannot be read, or is no history.
    """
    try:
        history = WorkflowHistory.from_json(path.stem, path.read_text(encoding="utf-8"))
        origin_of(path.stem, history.events)
    except OSError as error:
        raise _unreadable(path, f"cannot be read: {error.strerror}") from error
    except (ValueError, json_format.ParseError, TypeError, AttributeError) as error:
        raise _unreadable(path, f"is no workflow history: {error}") from error
    started = history.events[0].workflow_execution_started_event_attributes
    return WorkflowHistory(started.workflow_id or path.stem, history.events)


async def write_golden(history: WorkflowHistory, path: Path, *, converter: DataConverter = data_converter) -> None:
    """Write a history, one event a line, without traces of the machine it ran on; beside it its fingerprint.

    Raises:
        ValueError: when it does not begin with the start of a workflow.
    """
    clean = without_traces(history)
    _write(clean, await fingerprint_of(clean, converter=converter), path)


async def changed_fingerprint(path: Path, *, converter: DataConverter = data_converter) -> str:
    """How a golden's fingerprint differs from its history, as a diff; empty when it does not.

    Raises:
        InvalidInput: when the history or the fingerprint cannot be read.
    """
    beside = fingerprint_path(path)
    try:
        kept = beside.read_text(encoding="utf-8")
    except OSError as error:
        raise _unreadable(beside, f"cannot be read: {error.strerror}") from error
    now = await fingerprint_of(read_history(path), converter=converter)
    lines = difflib.unified_diff(kept.splitlines(), now.splitlines(), beside.name, path.name, lineterm="")
    return "\n".join(lines)


def fingerprint_path(path: Path) -> Path:
    """Where the fingerprint of a golden lies: beside it."""
    return path.with_suffix(".txt")


def without_traces(history: WorkflowHistory) -> WorkflowHistory:
    """A copy without stack traces, host names, process ids and build ids."""
    events = []
    for event in history.events:
        copy = type(event)()
        copy.CopyFrom(event)
        _clean(copy)
        events.append(copy)
    return WorkflowHistory(history.workflow_id, events)


def _write(history: WorkflowHistory, fingerprint: str, path: Path) -> None:
    events = [json.dumps(json_format.MessageToDict(event), ensure_ascii=False) for event in history.events]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('{"events": [\n' + ",\n".join(events) + "\n]}\n", encoding="utf-8")
    fingerprint_path(path).write_text(fingerprint, encoding="utf-8")


def _clean(message: Message) -> None:
    for descriptor, value in message.ListFields():
        if descriptor.name in _CLEARED:
            message.ClearField(descriptor.name)
        elif descriptor.name in _RENAMED and isinstance(value, str):
            setattr(message, descriptor.name, _IDENTITY)
        elif isinstance(value, TaskQueue) and value.normal_name:
            value.name = _IDENTITY  # a sticky queue, which is called after its worker
        elif descriptor.message_type is not None and not descriptor.message_type.GetOptions().map_entry:
            for inner in [value] if isinstance(value, Message) else value:
                _clean(inner)


def _unreadable(path: Path, problem: str) -> InvalidInput:
    return InvalidInput(f"the history {path}", [FieldProblem(field="", problem=problem)])
