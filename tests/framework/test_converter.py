"""How models become payloads that any Temporal SDK reads, and back."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.exceptions import ApplicationError

from mesh_agents.inventory import Reservation
from mesh_agents.order import OrderRequest
from sagamesh import Message
from sagamesh.converter import LARGEST_PAYLOAD, data_converter
from sagamesh.failure import failure_of
from tests.support.orders import order_json, order_request

CONVERTER = data_converter.payload_converter


class Text(Message):
    """Any text."""

    text: str


def payload(data: bytes, encoding: bytes = b"json/plain") -> Payload:
    return Payload(metadata={"encoding": encoding}, data=data)


def test_plain_json_on_the_wire() -> None:
    stored = CONVERTER.to_payload(order_request())

    assert stored.metadata["encoding"] == b"json/plain"
    body = json.loads(stored.data)
    assert body["total"] == "25.00"
    assert body["lines"] == [{"sku": "tea-1", "quantity": 1, "unit_price": "25.00"}]


@pytest.mark.parametrize(
    "value",
    [
        order_request(),
        Reservation(reservation_id="r", expires_at=datetime(2026, 1, 1, tzinfo=UTC)),
        Text(text="\u0000\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16")),
        Text(text=""),
    ],
    ids=lambda value: type(value).__name__,
)
def test_there_and_back(value: Message) -> None:
    assert CONVERTER.from_payload(CONVERTER.to_payload(value), type(value)) == value


@pytest.mark.parametrize("value", [None, b"bytes", "text", 5, 1.5, True, [1], {"a": 1}])
def test_what_is_no_model_goes_as_the_engine_sends_it(value: Any) -> None:
    assert CONVERTER.from_payload(CONVERTER.to_payload(value)) == value


def test_json_of_another_hand() -> None:
    body = json.dumps(order_json(), indent=2).encode()

    assert CONVERTER.from_payload(payload(body), OrderRequest).total == Decimal("25.00")


@pytest.mark.parametrize(
    ("data", "field"),
    [
        (b"{}", "customer"),
        (b"{", ""),
        (b"", ""),
        (b"\xff\xfe", ""),
        (b"null", ""),
        (b"[]", ""),
        (b'"x"', ""),
        (b"NaN", ""),
        (json.dumps(order_json(total="1")).encode(), "total"),
    ],
    ids=str,
)
def test_what_does_not_fit_the_model_is_final_and_names_the_field(data: bytes, field: str) -> None:
    with pytest.raises(ApplicationError) as caught:
        CONVERTER.from_payload(payload(data), OrderRequest)

    assert (caught.value.type, caught.value.non_retryable) == ("InvalidInput", True)
    assert failure_of(caught.value).fields[0].field == field


def test_the_largest_that_fits_and_the_smallest_that_does_not() -> None:
    around = len(Text(text="").model_dump_json())
    fits = Text(text="x" * (LARGEST_PAYLOAD - around))
    assert len(CONVERTER.to_payload(fits).data) == LARGEST_PAYLOAD

    with pytest.raises(ApplicationError) as caught:
        CONVERTER.to_payload(Text(text=fits.text + "x"))

    assert (caught.value.type, caught.value.non_retryable) == ("PayloadTooLarge", True)
    assert caught.value.details == ({"bytes": LARGEST_PAYLOAD + 1, "limit": LARGEST_PAYLOAD},)
    assert "Text has" in caught.value.message


def test_bytes_count_not_characters() -> None:
    with pytest.raises(ApplicationError, match="bytes of JSON"):
        CONVERTER.to_payload(Text(text="\N{SNOWMAN}" * (LARGEST_PAYLOAD // 2)))


def test_an_error_that_carries_a_model_of_another_sdk() -> None:
    """A detail without a type arrives as plain JSON."""
    assert CONVERTER.from_payload(payload(b'{"type": "T", "message": "m"}')) == {"type": "T", "message": "m"}
