"""Payloads that a codec encoded are opened before a history is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.failure.v1 import Failure
from temporalio.converter import DataConverter, DefaultFailureConverterWithEncodedAttributes, PayloadCodec
from temporalio.exceptions import ApplicationError

from sagamesh.converter import data_converter
from sagamesh.timeline import Kind, opened, timeline
from tests.timeline.histories import Script, payload


class Backwards(PayloadCodec):
    """Writes payloads backwards, and refuses those that it did not write."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [Payload(metadata={"encoding": b"backwards"}, data=p.SerializeToString()[::-1]) for p in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        assert all(p.metadata["encoding"] == b"backwards" for p in payloads)
        return [Payload.FromString(p.data[::-1]) for p in payloads]


@pytest.fixture
def converter() -> DataConverter:
    return replace(
        data_converter,
        payload_codec=Backwards(),
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
    )


async def encoded(value: object) -> Payload:
    [made] = await Backwards().encode([payload(value)])
    return made


@pytest.mark.asyncio
async def test_everything_that_was_encoded_is_read(script: Script, converter: DataConverter) -> None:
    # Search attributes are never encoded; the codec of this test would refuse them.
    script.start()
    started = script.events[0]
    started.user_metadata.summary.CopyFrom(await encoded("2 items"))
    started.workflow_execution_started_event_attributes.input.payloads[0].CopyFrom(await encoded({"customer": "ada"}))
    script.stage("awaiting_approval", 1)
    decision = Payloads(payloads=[await encoded({"by": "boss", "reason": "ok"})])
    script.add(
        "workflow_execution_update_accepted", 2, accepted_request={"input": {"name": "approve", "args": decision}}
    )
    failure = Failure()
    await converter.encode_failure(ApplicationError("no money", {"code": "declined"}, type="Declined"), failure)
    assert failure.message == "Encoded failure"
    script.step("payment.charge", 3, failure=failure)
    script.schedule("payment.refund", 6)
    script.pending("payment.refund", "SCHEDULED", attempt=2, last_failure=failure)

    events = [await opened(event, converter) for event in script.events]
    description = await opened(script.description, converter)
    found = timeline(events, script.time(9), description=description, converter=converter)

    assert (found.title, found.input, found.approved_by) == ("2 items", {"customer": "ada"}, ("boss",))
    steps = [entry for entry in found.entries if entry.kind is Kind.STEP]
    assert [(e.failure.type, e.failure.message, e.failure.details) for e in steps if e.failure] == [
        ("Declined", "no money", {"code": "declined"}),
        ("Declined", "no money", {"code": "declined"}),
    ]
    # What was opened is a copy.
    assert script.events[0].user_metadata.summary.metadata["encoding"] == b"backwards"


@pytest.mark.asyncio
async def test_without_a_codec_nothing_is_copied(begun: Script) -> None:
    assert await opened(begun.events[0], data_converter) is begun.events[0]
