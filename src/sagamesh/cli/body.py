"""A task's input: read from a file or standard input, and checked before anything is sent."""

from __future__ import annotations

import codecs
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from sagamesh.converter import LARGEST_PAYLOAD
from sagamesh.errors import InvalidInput
from sagamesh.failure import FieldProblem, field_problems

if TYPE_CHECKING:
    from sagamesh.task import Task

__all__ = ["STDIN", "parsed", "read"]

STDIN = "-"


def read(source: str) -> bytes:
    """The bytes of a file, or of standard input for `-`.

    Raises:
        InvalidInput: when it cannot be read, or is larger than a task's input may be.
    """
    if source == STDIN:
        if sys.stdin.isatty():
            sys.stderr.write("Type the input as JSON, and end it with Ctrl-D.\n")
        body = sys.stdin.buffer.read(LARGEST_PAYLOAD + 1)
        size = f"more than {LARGEST_PAYLOAD:,}"
    else:
        try:
            with Path(source).open("rb") as file:
                body = file.read(LARGEST_PAYLOAD + 1)
                size = f"{max(Path(source).stat().st_size, len(body)):,}"
        except OSError as error:
            raise _wrong(source, f"cannot be read: {error.strerror}") from error
    if len(body) > LARGEST_PAYLOAD:
        raise _wrong(
            source,
            f"has {size} bytes; at most {LARGEST_PAYLOAD:,} fit into a task's input. "
            "Put what is large where the agents can fetch it, and send its address",
        )
    return body


def parsed(task: Task[Any, Any], body: bytes, source: str) -> BaseModel:
    """The input as the task's model.

    Raises:
        InvalidInput: naming each field that is wrong, or line and column where it is no JSON.
    """
    body = body.removeprefix(codecs.BOM_UTF8)
    if not body.strip():
        raise _wrong(source, f"is empty; {task.name} takes the JSON of {task.takes.__name__}")
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise _wrong(source, f"is no UTF-8 text: byte {error.start + 1:,} is 0x{body[error.start]:02x}") from None
    try:
        model: BaseModel = task.takes.model_validate_json(body)
    except ValidationError as error:
        [first, *_] = error.errors(include_url=False, include_input=False)
        if first["type"] == "json_invalid":
            raise _wrong(source, f"is no JSON: {first.get('ctx', {}).get('error')}") from None
        raise InvalidInput(f"the input of {task.name}", field_problems(error)) from None
    return model


def _wrong(source: str, problem: str) -> InvalidInput:
    name = "standard input" if source == STDIN else source
    return InvalidInput("--input", [FieldProblem(field="", problem=f"{name} {problem}")])
