"""The framework's sandbox runner asks for the context of a payload only where somebody wants it, and always there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Self

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.client import Client as TemporalClient
from temporalio.converter import (
    ActivitySerializationContext,
    PayloadCodec,
    SerializationContext,
    WithSerializationContext,
    WorkflowSerializationContext,
)
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from sagamesh import Client, Pool, SagameshPlugin
from sagamesh.converter import data_converter
from sagamesh.sandbox import Sandbox
from sagamesh.testing import served
from tests.support.coded import Echo, Said, echo, repeat, repeater
from tests.support.engine import Engine


class Reversing(PayloadCodec):
    """Turns the bytes round: what it did not write, it cannot read."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [Payload(metadata={"encoding": b"reversed"}, data=p.SerializeToString()[::-1]) for p in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        assert {p.metadata["encoding"] for p in payloads} <= {b"reversed"}
        return [Payload.FromString(p.data[::-1]) for p in payloads]


class Attentive(Reversing, WithSerializationContext):
    """Notes in which context it was asked to encode."""

    def __init__(self, seen: list[SerializationContext], context: SerializationContext | None = None) -> None:
        self._seen = seen
        self._context = context

    def with_context(self, context: SerializationContext) -> Self:
        return type(self)(self._seen, context)

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        if self._context is not None:
            self._seen.append(self._context)
        return await super().encode(payloads)


async def _echoed(engine: Engine, codec: PayloadCodec, id: str) -> Said:
    base = engine.temporal
    plugin = SagameshPlugin(passthrough=("coded",))
    temporal = TemporalClient(
        base.service_client,
        namespace=base.namespace,
        data_converter=replace(data_converter, payload_codec=codec),
        plugins=[plugin],
    )

    async def say(said: Said) -> Said:
        return said

    async with served(temporal, Pool(repeater).serve(repeat, say), Pool(echo.queue).host(echo, Echo)):
        handle = await Client(temporal).start(echo, Said(text="hello"), id=id)
        return await handle.result()


@pytest.mark.asyncio(loop_scope="session")
async def test_a_codec_that_wants_contexts_gets_them(cached_engine: Engine) -> None:
    seen: list[SerializationContext] = []
    assert await _echoed(cached_engine, Attentive(seen), "attentive") == Said(text="hello")
    calls = {context.activity_type for context in seen if isinstance(context, ActivitySerializationContext)}
    tasks = {context.workflow_id for context in seen if isinstance(context, WorkflowSerializationContext)}
    assert calls == {repeat.type}
    assert tasks == {"attentive"}


@pytest.mark.asyncio(loop_scope="session")
async def test_a_codec_without_contexts_is_applied_all_the_same(cached_engine: Engine) -> None:
    assert await _echoed(cached_engine, Reversing(), "plain") == Said(text="hello")
    first = await anext(cached_engine.temporal.get_workflow_handle("plain").fetch_history_events(page_size=1))
    [payload] = first.workflow_execution_started_event_attributes.input.payloads
    assert payload.metadata["encoding"] == b"reversed"


def test_only_what_wants_contexts_costs_the_way_into_the_sandbox() -> None:
    assert not Sandbox().serving(data_converter).contexts
    assert not Sandbox().serving(replace(data_converter, payload_codec=Reversing())).contexts
    assert Sandbox().serving(replace(data_converter, payload_codec=Attentive([]))).contexts


@pytest.mark.asyncio(loop_scope="session")
async def test_workers_get_the_sandbox_with_the_restrictions_of_the_one_that_was_chosen(cached_engine: Engine) -> None:
    config = Worker(cached_engine.temporal, task_queue="unused", workflows=[Echo]).config(active_config=True)
    runner = config["workflow_runner"]
    assert isinstance(runner, Sandbox)
    assert not runner.contexts
    default = SandboxedWorkflowRunner().restrictions
    assert runner.restrictions.invalid_module_members == default.invalid_module_members
    assert runner.restrictions.passthrough_modules >= default.passthrough_modules | {"sagamesh"}
