"""The real Temporal server, as the stack runs it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from temporalio import workflow
from temporalio.client import Client
from temporalio.common import SearchAttributeKey
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from sagamesh import App, Mesh
from sagamesh.attributes import SEARCH_ATTRIBUTES
from sagamesh.stack.part import Timing
from sagamesh.stack.place import Place
from sagamesh.stack.plan import PortOptions, plan, port_requests
from sagamesh.stack.ports import assign
from sagamesh.stack.readiness import Engine, HelperReady, PoolReady, ServerReady
from sagamesh.stack.state import PartState
from sagamesh.stack.supervisor import Supervisor

QUEUE = "naps"


@workflow.defn
class Nap:
    """Sleeps, and says how many seconds late it woke up."""

    @workflow.run
    async def run(self, seconds: float) -> float:
        began = workflow.now()
        await workflow.sleep(seconds)
        return (workflow.now() - began).total_seconds() - seconds


@dataclass
class Server:
    """The supervised server."""

    supervisor: Supervisor
    changed: asyncio.Event

    @property
    def state(self) -> PartState:
        return self.supervisor.parts[0]

    @property
    def pid(self) -> int:
        assert self.state.process is not None
        return self.state.process.pid

    @property
    def port(self) -> int:
        return self.state.ports["grpc"]

    async def connect(self) -> Client:
        return await Client.connect(f"127.0.0.1:{self.port}")

    async def ready_again(self, restarts: int) -> None:
        async with asyncio.timeout(60):
            while True:
                self.changed.clear()
                if self.state.restarts == restarts and self.state.stage == "ready":
                    return
                await self.changed.wait()


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[Server]:
    """The stack of an app that consists of nothing, which leaves the server."""
    place = Place(root=folder, folder=folder / "stack")
    place.create()
    app = App(mesh=Mesh())
    layers = plan(app, place, assign(port_requests(app, PortOptions(grpc=0))))
    changed = asyncio.Event()
    supervisor = Supervisor(layers, changed=changed.set, timing=Timing(first_pause=0.05))
    try:
        await supervisor.start()
        yield Server(supervisor, changed)
    finally:
        await supervisor.stop()


@asynccontextmanager
async def napping(client: Client) -> AsyncIterator[None]:
    async with Worker(client, task_queue=QUEUE, workflows=[Nap], workflow_runner=UnsandboxedWorkflowRunner()):
        yield


@pytest.mark.asyncio
async def test_a_killed_server_comes_back_with_the_timers_that_were_running(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        client = await server.connect()
        async with napping(client):
            nap = await client.start_workflow(Nap.run, 2.0, id="nap", task_queue=QUEUE)
            for restart in (1, 2):
                killed = server.pid
                os.kill(killed, signal.SIGKILL)
                await server.ready_again(restart)
                assert server.pid != killed
            async with asyncio.timeout(60):
                assert await nap.result() >= 0


@pytest.mark.asyncio
async def test_what_the_server_knows_survives_a_stop_in_order(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        await (await server.connect()).start_workflow(Nap.run, 0.1, id="nap", task_queue=QUEUE)
    async with served(tmp_path) as server:
        client = await server.connect()
        async with napping(client), asyncio.timeout(60):
            assert await client.get_workflow_handle("nap", result_type=float).result() >= 0


@pytest.mark.asyncio
async def test_short_timers_are_short(tmp_path: Path) -> None:
    """As delivered, the server fires any timer of less than a second after a second."""
    async with served(tmp_path) as server:
        client = await server.connect()
        async with napping(client):
            late = [await client.execute_workflow(Nap.run, 0.01, id=f"n{n}", task_queue=QUEUE) for n in range(5)]
    assert min(late) < 0.5, late


@pytest.mark.asyncio
async def test_the_server_is_ready_when_our_process_answers_with_its_search_attributes(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        engine = Engine(f"127.0.0.1:{server.port}")
        assert await ServerReady(engine, server.port, SEARCH_ATTRIBUTES)(server.pid) is None
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            said = await ServerReady(engine, port, SEARCH_ATTRIBUTES)(server.pid)
        assert said == f"it has not opened port {port}"
        unknown = SearchAttributeKey.for_keyword("Unknown")
        said = await ServerReady(engine, server.port, [*SEARCH_ATTRIBUTES, unknown])(server.pid)
        assert said == "search attributes Unknown are not registered"


@pytest.mark.asyncio
async def test_a_pool_is_ready_when_it_polls_itself(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        ready = PoolReady(Engine(f"127.0.0.1:{server.port}"), [(QUEUE, "workflows")])
        assert await ready(os.getpid()) == f"it does not poll queue {QUEUE} for workflows"
        async with napping(await server.connect()), asyncio.timeout(60):
            while True:
                if await ready(os.getpid()) is None:
                    break
                await asyncio.sleep(0.02)
            assert await ready(os.getppid()) == f"it does not poll queue {QUEUE} for workflows"
    assert str(await ready(os.getpid())).startswith("the Temporal server answers: ")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("path", "expected"),
    [(None, None), ("/ok", None), ("/ill", "answers 503"), ("/dumb", "GET /dumb on port")],
)
async def test_a_helper_is_ready_when_its_health_path_says_so(path: str | None, expected: str | None) -> None:
    class Health(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path != "/dumb":
                self.send_response(204 if self.path == "/ok" else 503)
                self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Health) as http:
        serving = Thread(target=http.serve_forever)
        serving.start()
        try:
            said = await HelperReady(http.server_port, path)(os.getpid())
        finally:
            http.shutdown()
            serving.join()
    assert said is None if expected is None else expected in str(said)


@pytest.mark.asyncio
async def test_a_helper_is_ready_when_its_own_check_says_so() -> None:
    said: list[str | None] = [None, "it recovers"]

    async def check(port: int) -> str | None:
        assert port == listener.getsockname()[1]
        return said.pop()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        ready = HelperReady(listener.getsockname()[1], check=check)
        assert await ready(os.getpid()) == "it recovers"
        assert await ready(os.getpid()) is None
    assert "has not opened port" in str(await ready(os.getpid()))
