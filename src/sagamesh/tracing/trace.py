"""The trace that a task belongs to, as its history and a person know it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

from temporalio.api.common.v1 import Payload

from sagamesh.errors import InvalidInput
from sagamesh.failure import FieldProblem

__all__ = ["MEMO", "TRACE", "VARIABLE", "SpanIds", "trace_link", "trace_of"]

MEMO: Final = "trace_id"
"""The field of a task's memo in which the Web UI shows it."""

VARIABLE: Final = "SAGAMESH_TRACE_URL"
"""Holds where a person looks at a trace: an address with `{trace_id}` in it."""


@dataclass(frozen=True, slots=True)
class SpanIds:
    """A span, by hexadecimal digits: 32 of its trace, 16 of its own."""

    trace: str
    span: str


TRACE: ContextVar[SpanIds | None] = ContextVar("sagamesh_trace", default=None)
"""The span of the call or the task whose code runs; None while it is not traced."""

_HEADER: Final = "_tracer-data"
"""In which the tracing of each Temporal SDK passes the context on."""
_PLACE: Final = "{trace_id}"
_PARENT: Final = re.compile(r"[0-9a-f]{2}-(?P<trace>[0-9a-f]{32})-[0-9a-f]{16}-(?P<flags>[0-9a-f]{2})(-.*)?")
_SAMPLED: Final = 1


def trace_of(headers: Mapping[str, Payload]) -> str:
    """The id of the trace with which a task was started: 32 hexadecimal digits.

    Empty where there is none, or it was not chosen to be sent: nobody could look at it.
    """
    if _HEADER not in headers:
        return ""
    try:
        carrier = json.loads(headers[_HEADER].data)
    except ValueError:  # encoded by somebody's codec
        return ""
    parent = carrier.get("traceparent") if isinstance(carrier, dict) else None
    found = _PARENT.fullmatch(parent) if isinstance(parent, str) else None
    if found is None or not int(found["flags"], 16) & _SAMPLED or not int(found["trace"], 16):
        return ""
    return found["trace"]


def trace_link(trace_id: str, environment: Mapping[str, str]) -> str:
    """Where this trace is seen; empty where the environment does not say, or there is no trace.

    Raises:
        InvalidInput: when what it says has no place for the id.
    """
    template = environment.get(VARIABLE, "").strip()
    if not template or not trace_id:
        return ""
    if _PLACE not in template:
        raise InvalidInput("the environment", [FieldProblem(field=VARIABLE, problem=f"must contain {_PLACE}")])
    return template.replace(_PLACE, trace_id)
