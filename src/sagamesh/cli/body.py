"""JSON from a file or standard input, such as a task's input, checked before anything is sent."""

from __future__ import annotations

import codecs
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from sagamesh.converter import LARGEST_PAYLOAD
from sagamesh.errors import InvalidInput
from sagamesh.failure import FieldProblem, field_problems

if TYPE_CHECKING:
    from sagamesh.task import Task

__all__ = ["STDIN", "parsed", "parsed_object", "read"]

T = TypeVar("T")

STDIN: Final = "-"
INPUT: Final = "--input"


def read(source: str, *, option: str = INPUT) -> bytes:
    """The bytes of a file, or of standard input for `-`.

    - `option`: by which the source was given, for errors.

    Raises:
        InvalidInput: when it cannot be read, or is larger than a payload may be.
    """
    if source == STDIN:
        if sys.stdin.isatty():
            sys.stderr.write("Type the JSON, and end it with Ctrl-D.\n")
        body = sys.stdin.buffer.read(LARGEST_PAYLOAD + 1)
        size = f"more than {LARGEST_PAYLOAD:,}"
    else:
        try:
            with Path(source).open("rb") as file:
                body = file.read(LARGEST_PAYLOAD + 1)
                size = f"{max(Path(source).stat().st_size, len(body)):,}"
        except OSError as error:
            raise _wrong(source, f"cannot be read: {error.strerror}", option) from error
    if len(body) > LARGEST_PAYLOAD:
        raise _wrong(
            source,
            f"has {size} bytes; at most {LARGEST_PAYLOAD:,} fit into a task's input or a result. "
            "Put what is large where the agents can fetch it, and send its address",
            option,
        )
    return body


def parsed(task: Task[Any, Any], body: bytes, source: str) -> BaseModel:
    """The input as the task's model.

    Raises:
        InvalidInput: naming each field that is wrong, or line and column where it is no JSON.
    """
    wanted = f"{task.name} takes the JSON of {task.takes.__name__}"
    model: BaseModel = _parsed(task.takes.model_validate_json, body, source, INPUT, wanted, f"the input of {task.name}")
    return model


def parsed_object(body: bytes, source: str, *, option: str) -> dict[str, Any]:
    """A JSON object of any kind.

    Raises:
        InvalidInput: when it is none.
    """
    read: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])
    return _parsed(read.validate_json, body, source, option, "a JSON object is needed", option)


def _parsed(read: Callable[[bytes], T], body: bytes, source: str, option: str, wanted: str, what: str) -> T:
    body = body.removeprefix(codecs.BOM_UTF8)
    if not body.strip():
        raise _wrong(source, f"is empty; {wanted}", option)
    try:
        body.decode()
    except UnicodeDecodeError as error:
        problem = f"is no UTF-8 text: byte {error.start + 1:,} is 0x{body[error.start]:02x}"
        raise _wrong(source, problem, option) from None
    try:
        return read(body)
    except ValidationError as error:
        [first, *_] = error.errors(include_url=False, include_input=False)
        if first["type"] == "json_invalid":
            raise _wrong(source, f"is no JSON: {first.get('ctx', {}).get('error')}", option) from None
        raise InvalidInput(what, field_problems(error)) from None


def _wrong(source: str, problem: str, option: str) -> InvalidInput:
    name = "standard input" if source == STDIN else source
    return InvalidInput(option, [FieldProblem(field="", problem=f"{name} {problem}")])
