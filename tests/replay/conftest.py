"""Histories recorded from a real server, and a way to load the workflows with a change in their text."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle, WorkflowHistory, WorkflowUpdateFailedError
from temporalio.converter import DataConverter, PayloadCodec
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from sagamesh.converter import data_converter
from sagamesh.testing import dev_server
from tests.replay import flows

FLOWS = Path(flows.__file__)
QUEUE = "replay-tests"


class Reversing(PayloadCodec):
    """Writes payloads backwards: not secret, but unreadable to whoever forgets the codec."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [
            Payload(metadata={"encoding": b"binary/reversed"}, data=payload.SerializeToString()[::-1])
            for payload in payloads
        ]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [
            Payload.FromString(payload.data[::-1])
            if payload.metadata.get("encoding") == b"binary/reversed"
            else payload
            for payload in payloads
        ]


@pytest.fixture(scope="package")
def reversed_converter() -> DataConverter:
    """Sagamesh's converter behind a codec."""
    return replace(data_converter, payload_codec=Reversing())


@pytest.fixture(scope="package")
def histories(reversed_converter: DataConverter) -> Mapping[str, WorkflowHistory]:
    """A history of each flow, by name, as a real server wrote it."""
    return asyncio.run(_record(reversed_converter))


Changed = Callable[[str, str], ModuleType]


@pytest.fixture
def changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Changed:
    """Load the flows with one snippet replaced by another. A snippet that does not occur once is an error."""
    text = FLOWS.read_text(encoding="utf-8")

    def load(old: str, new: str) -> ModuleType:
        assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times in {FLOWS.name}"
        name = f"changed_{abs(hash((old, new, tmp_path)))}"
        (tmp_path / f"{name}.py").write_text(text.replace(old, new), encoding="utf-8")
        monkeypatch.syspath_prepend(str(tmp_path))
        return importlib.import_module(name)

    return load


async def _record(reversed_converter: DataConverter) -> dict[str, WorkflowHistory]:
    async with dev_server() as server:
        client = server.client
        await server.create_nexus_endpoint(flows.NEXUS_ENDPOINT, QUEUE)
        config = client.config()
        config["data_converter"] = reversed_converter
        encoding_client = Client(**config)
        async with _worker(client, QUEUE), _worker(encoding_client, f"{QUEUE}-encoded"):
            recorded = await asyncio.gather(*(_named(name, work) for name, work in _runs(client, encoding_client)))
    return dict(recorded)


def _worker(client: Client, queue: str) -> Worker:
    return Worker(
        client,
        task_queue=queue,
        workflows=flows.WORKFLOWS,
        activities=flows.ACTIVITIES,
        nexus_service_handlers=[flows.ShippingHandler()],
        workflow_runner=UnsandboxedWorkflowRunner(),
    )


def _runs(client: Client, encoding_client: Client) -> list[tuple[str, Coroutine[Any, Any, WorkflowHistory]]]:
    return [
        ("steps", _finished(client, flows.Steps, flows.CHARGE)),
        ("unset", _finished(client, flows.Unset)),
        ("unset-capped", _finished(client, flows.Unset, run_timeout=timedelta(minutes=30))),
        ("decided", _decided(client)),
        ("parent", _finished(client, flows.Parent, flows.CHARGE.money)),
        ("failing", _finished(client, flows.Failing, flows.CHARGE)),
        ("cancelled", _stopped(client, flows.Cancelled, "cancel")),
        ("abandoning", _finished(client, flows.Abandoning)),
        ("again", _finished(client, flows.Again, 1, memo={"from": "caller"})),
        ("again-bare", _finished(client, flows.Again, 2, memo={"from": "caller"}, run_timeout=timedelta(minutes=3))),
        ("local", _finished(client, flows.Local, task_timeout=timedelta(seconds=1))),
        ("versioned", _finished(client, flows.Versioned)),
        ("terminated", _stopped(client, flows.Waiting, "terminate")),
        ("waiting", _stopped(client, flows.Waiting, "")),
        ("foreign", _finished(client, flows.Foreign, flows.CHARGE.money)),
        ("encoded", _finished(encoding_client, flows.Steps, flows.CHARGE)),
        ("encoded-failing", _finished(encoding_client, flows.Failing, flows.CHARGE)),
    ]


async def _named(name: str, work: Coroutine[Any, Any, WorkflowHistory]) -> tuple[str, WorkflowHistory]:
    return name, await work


async def _finished(client: Client, flow: type, *args: Any, **options: Any) -> WorkflowHistory:
    handle = await _start(client, flow, *args, **options)
    with suppress(WorkflowFailureError):  # some are meant to fail; the test of their history sees how they did
        await handle.result()
    run = handle.first_execution_run_id  # of a chain of runs, the first
    return await client.get_workflow_handle(handle.id, run_id=run).fetch_history()


async def _stopped(client: Client, flow: type, how: str) -> WorkflowHistory:
    """Let the flow get as far as its wait, then stop it, or leave it."""
    handle = await _start(client, flow)
    wait = EventType.EVENT_TYPE_TIMER_STARTED
    if flow is flows.Cancelled:
        wait = EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    history = await handle.fetch_history()
    while all(event.event_type != wait for event in history.events):
        await asyncio.sleep(0.02)
        history = await handle.fetch_history()
    if not how:
        return history
    await (handle.cancel() if how == "cancel" else handle.terminate("enough"))
    with suppress(WorkflowFailureError):  # that is how a stopped workflow ends
        await handle.result()
    return await handle.fetch_history()


async def _decided(client: Client) -> WorkflowHistory:
    handle = await _start(client, flows.Decided)
    await handle.execute_update("answer", 1)
    for refused in (0, 7):
        with pytest.raises(WorkflowUpdateFailedError):
            await handle.execute_update("answer", refused)
    await handle.execute_update("answer", 2)
    await handle.result()
    return await handle.fetch_history()


async def _start(client: Client, flow: type, *args: Any, **options: Any) -> WorkflowHandle[Any, Any]:
    encoded = client.data_converter.payload_codec is not None
    count = len(_started)
    _started.append(flow)
    return await client.start_workflow(
        flow.__name__,
        args=args,
        id=f"{flow.__name__.lower()}-{count}",
        task_queue=f"{QUEUE}-encoded" if encoded else QUEUE,
        **options,
    )


_started: list[type] = []
