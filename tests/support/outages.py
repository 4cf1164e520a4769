"""A provider that fails for a while, an agent that calls it, and a task that calls the agent."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

from pydantic import Field
from temporalio import workflow

from sagamesh import Agent, Breaker, Message, Retry, Saga, SagameshPlugin, Task, TaskWorkflow, seconds

ROOT = Path(__file__).parents[2]


class Letter(Message):
    """What is to be sent."""

    number: int = Field(ge=0)


class Sent(Message):
    """It was."""

    number: int


relay = Agent("relay")
send = relay.capability(
    "send",
    takes=Letter,
    returns=Sent,
    timeout=seconds(2),
    retry=Retry(attempts=6, first=seconds(0.2), most=seconds(1)),
    breaker=Breaker(failures=5, recovery=seconds(2), key="provider"),
)

sending: Task[Letter, Sent] = Task("Sending", takes=Letter, returns=Sent, queue="sendings", uses=(relay,))


@workflow.defn(name="Sending")
class Sending(TaskWorkflow):
    """One call."""

    task = sending

    @workflow.run
    async def run(self, letter: Letter) -> Sent:
        async with Saga() as saga:
            return await saga.step(send, letter)


plugin = SagameshPlugin(passthrough=("tests",))


class Provider:
    """A real HTTP server on the loopback.

    - `failing`: whether it answers 503; `requests`: when each came, and what it was answered.
    """

    def __init__(self) -> None:
        self.failing = False
        self.requests: list[tuple[float, int]] = []
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                status = 503 if provider.failing else 200
                provider.requests.append((time.time(), status))
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Nothing: the test counts."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/"

    def refused(self) -> int:
        """How many requests it has failed."""
        return sum(status == 503 for _, status in self.requests)

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def process(kind: str, address: str, provider: str) -> subprocess.Popen[bytes]:
    """One process of the fleet: `agent` serves the agent, `tasks` hosts the tasks."""
    return subprocess.Popen([sys.executable, "-m", "tests.support.outage_process", kind, address, provider], cwd=ROOT)
