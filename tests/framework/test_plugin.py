"""One plugin for clients, workers, replayers and test environments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.converter import DataConverter, PayloadCodec
from temporalio.worker import Interceptor, Replayer, UnsandboxedWorkflowRunner, Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from mesh_agents.order import order
from mesh_workflows.order import Order
from sagamesh import SagameshPlugin
from sagamesh.converter import CheckedPayloadConverter, data_converter
from sagamesh.errors import SagameshError
from sagamesh.interceptor import TaskInterceptor
from tests.support import flows
from tests.support.deeds import Plan
from tests.support.engine import Engine
from tests.support.orders import order_request

pytestmark = pytest.mark.asyncio(loop_scope="session")


class Reversing(PayloadCodec):
    """Writes payloads backwards."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [Payload(metadata={"encoding": b"binary/reversed"}, data=p.SerializeToString()[::-1]) for p in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [
            Payload.FromString(p.data[::-1]) if p.metadata["encoding"] == b"binary/reversed" else p for p in payloads
        ]


async def connected(engine: Engine, converter: DataConverter | None = None) -> Client:
    plugin = SagameshPlugin(passthrough=("mesh_agents", "tests"))
    if converter is None:
        return await Client.connect(engine.address, plugins=[plugin])
    return await Client.connect(engine.address, plugins=[plugin], data_converter=converter)


async def test_a_client_gets_the_converter(cached_engine: Engine) -> None:
    client = await connected(cached_engine)

    assert client.data_converter is data_converter


async def test_a_codec_stays(cached_engine: Engine) -> None:
    codec = Reversing()

    client = await connected(cached_engine, replace(DataConverter.default, payload_codec=codec))

    assert client.data_converter.payload_codec is codec
    assert client.data_converter.payload_converter_class is CheckedPayloadConverter


async def test_a_converter_of_ones_own_stays(cached_engine: Engine) -> None:
    class Mine(CheckedPayloadConverter):
        pass

    client = await connected(cached_engine, DataConverter(payload_converter_class=Mine))

    assert client.data_converter.payload_converter_class is Mine


async def test_a_worker_gets_the_sandbox_and_what_ends_a_task(cached_engine: Engine) -> None:
    worker = Worker(await connected(cached_engine), task_queue="plugin-1", workflows=[Order])
    config = worker.config(active_config=True)
    runner = config.get("workflow_runner")

    assert isinstance(runner, SandboxedWorkflowRunner)
    passed = runner.restrictions.passthrough_modules
    assert {"sagamesh", "pydantic", "mesh_agents", "tests"} <= passed
    assert "mesh_workflows" not in passed
    assert "mesh_activities" not in passed
    assert SagameshError in (config.get("workflow_failure_exception_types") or ())
    assert any(isinstance(each, TaskInterceptor) for each in config.get("interceptors") or ())


async def test_for_which_task_a_call_is_made_is_known_to_every_interceptor(cached_engine: Engine) -> None:
    plugin, others = SagameshPlugin(), [Interceptor()]
    worker = Worker(await connected(cached_engine), task_queue="plugin-6", workflows=[Order], interceptors=others)
    replayer = Replayer(workflows=[Order], plugins=[plugin], interceptors=others)

    for config in (worker.config(active_config=True), replayer.config(active_config=True)):
        assert [type(each) for each in config.get("interceptors") or ()] == [TaskInterceptor, Interceptor]


async def test_a_sandbox_of_ones_own_keeps_its_restrictions(cached_engine: Engine) -> None:
    mine = SandboxedWorkflowRunner(SandboxRestrictions.default.with_passthrough_modules("my_module"))
    worker = Worker(await connected(cached_engine), task_queue="plugin-2", workflows=[Order], workflow_runner=mine)
    runner = worker.config(active_config=True).get("workflow_runner")

    assert isinstance(runner, SandboxedWorkflowRunner)
    assert {"my_module", "sagamesh", "tests"} <= runner.restrictions.passthrough_modules


async def test_no_sandbox_for_a_debugger(cached_engine: Engine) -> None:
    mine = UnsandboxedWorkflowRunner()
    worker = Worker(await connected(cached_engine), task_queue="plugin-3", workflows=[Order], workflow_runner=mine)

    assert worker.config(active_config=True).get("workflow_runner") is mine


async def test_a_replayer_takes_it_directly(cached_engine: Engine) -> None:
    """The history of a task replays with nothing said but the plugin."""
    running = await cached_engine.start(flows.Chain.task, Plan())
    await running.done()
    replayer = Replayer(workflows=[flows.Chain], plugins=[SagameshPlugin(passthrough=("mesh_agents", "tests"))])

    await replayer.replay_workflow(await running.history())


async def test_an_order_through_a_codec(cached_engine: Engine) -> None:
    """Client and workers alike; without the codec nobody reads it."""
    converter = replace(data_converter, payload_codec=Reversing())
    client = await connected(cached_engine, converter)
    task_id = cached_engine.new_id()
    handle = await client.start_workflow(
        "Echo", order_request(), id=task_id, task_queue="plugin-4", result_type=order.takes
    )
    async with Worker(client, task_queue="plugin-4", workflows=[flows.Echo]):
        assert await handle.result() == order_request()
    async for event in cached_engine.temporal.get_workflow_handle(task_id).fetch_history_events():
        if event.HasField("workflow_execution_started_event_attributes"):
            [stored] = event.workflow_execution_started_event_attributes.input.payloads
            assert stored.metadata["encoding"] == b"binary/reversed"
            break


async def test_given_to_a_client_and_by_mistake_to_its_worker_too(cached_engine: Engine) -> None:
    plugin = SagameshPlugin(passthrough=("mesh_agents", "tests"))
    queue = "plugin-5"
    running = await cached_engine.start(replace(flows.Beside.task, queue=queue), Plan())

    with pytest.warns(UserWarning, match="sagamesh"):
        worker = Worker(cached_engine.temporal, task_queue=queue, workflows=[flows.Beside], plugins=[plugin])
    async with worker:
        assert (await running.done()).said == "all"
