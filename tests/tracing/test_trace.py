"""The trace in a task's history, and its link."""

from __future__ import annotations

import json

import pytest
from temporalio.api.common.v1 import Payload

from sagamesh.errors import InvalidInput
from sagamesh.tracing.trace import trace_link, trace_of

ID = "4bf92f3577b34da6a3ce929d0e0e4736"


def header(value: object) -> dict[str, Payload]:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return {"other": Payload(data=b"1"), "_tracer-data": Payload(data=data)}


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"traceparent": f"00-{ID}-00f067aa0ba902b7-01"}, ID),
        ({"traceparent": f"00-{ID}-00f067aa0ba902b7-03", "tracestate": "a=b"}, ID),
        ({"traceparent": f"cc-{ID}-00f067aa0ba902b7-01-later"}, ID),
        ({"traceparent": f"00-{ID}-00f067aa0ba902b7-00"}, ""),
        ({"traceparent": f"00-{'0' * 32}-00f067aa0ba902b7-01"}, ""),
        ({"traceparent": "nonsense"}, ""),
        ({"traceparent": 7}, ""),
        ({"uber-trace-id": "1:2:3:1"}, ""),
        ([], ""),
        (b"\x81\x02 encrypted", ""),
    ],
)
def test_found_in_the_header(value: object, found: str) -> None:
    assert trace_of(header(value)) == found


def test_without_a_header() -> None:
    assert trace_of({}) == ""


@pytest.mark.parametrize(
    ("environment", "trace", "link"),
    [
        ({}, ID, ""),
        ({"SAGAMESH_TRACE_URL": " "}, ID, ""),
        ({"SAGAMESH_TRACE_URL": "https://j/trace/{trace_id}?all"}, ID, f"https://j/trace/{ID}?all"),
        ({"SAGAMESH_TRACE_URL": "https://j/trace/{trace_id}"}, "", ""),
    ],
)
def test_link(environment: dict[str, str], trace: str, link: str) -> None:
    assert trace_link(trace, environment) == link


def test_a_link_without_a_place_for_the_id_is_refused() -> None:
    with pytest.raises(InvalidInput, match="SAGAMESH_TRACE_URL"):
        trace_link(ID, {"SAGAMESH_TRACE_URL": "https://j/"})
