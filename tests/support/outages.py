"""A provider that fails for a while, an agent that calls it, and a task that calls the agent."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, Self

from pydantic import Field
from temporalio import workflow

from sagamesh import Agent, App, Breaker, Mesh, Message, Retry, Saga, SagameshPlugin, Task, TaskWorkflow, seconds

ROOT = Path(__file__).parents[2]

_TIMEOUT: Final = timedelta(seconds=5)


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

app = App(
    mesh=Mesh(relay),
    tasks=(sending,),
    contracts=("tests",),
    workflows=("tests.support.outages:Sending",),
    pools={"relay": "tests.support.outage_process:pool"},
)


class Ask(Message):
    """Whom to call."""

    agent: str


class Told(Message):
    """What it said."""

    said: str = ""


QUICK: Final = Retry(attempts=3, first=seconds(0.05), factor=1, most=seconds(0.05))


def _agent(name: str, *, breaker: Breaker, retry: Retry = QUICK, timeout: timedelta = _TIMEOUT, **more: Any) -> Agent:
    made = Agent(name)
    made.capability("ask", takes=Ask, returns=Told, breaker=breaker, retry=retry, timeout=timeout, **more)
    return made


_ONE: Final = Breaker(failures=1, recovery=seconds(1))
_LONG: Final = Breaker(failures=1, recovery=seconds(3600))

agents: Final = {
    agent.name: agent
    for agent in (
        _agent("patient", breaker=Breaker(failures=1, recovery=seconds(0.3))),
        _agent("finite", breaker=Breaker(failures=100)),
        _agent("stuck", breaker=Breaker(failures=100), timeout=seconds(0.5)),
        _agent("slow", breaker=Breaker(failures=2, recovery=seconds(1)), timeout=seconds(0.5)),
        _agent("resuming", breaker=_ONE, retry=Retry(attempts=20, first=seconds(0.05))),
        _agent("later", breaker=_LONG),
        _agent("hurried", breaker=_LONG, total=seconds(2)),
        _agent("answering", breaker=_ONE),
        _agent("operated", breaker=_LONG),
        _agent("forgotten", breaker=Breaker(failures=1, recovery=seconds(2))),
        _agent("limited", breaker=Breaker(failures=1, recovery=seconds(1))),
    )
}
"""An agent for each test, by name, each with one capability `ask`."""

asking: Task[Ask, Told] = Task("Asking", takes=Ask, returns=Told, queue="askings", uses=tuple(agents.values()))


@workflow.defn(name="Asking")
class Asking(TaskWorkflow):
    """One call of one of them."""

    task = asking

    @workflow.run
    async def run(self, ask: Ask) -> Told:
        async with Saga() as saga:
            told: Told = await saga.step(agents[ask.agent].find("ask"), ask)
            return told


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
    """One process of the fleet: it serves the agent, hosts the tasks, or the framework's own parts (`system`)."""
    return subprocess.Popen([sys.executable, "-m", "tests.support.outage_process", kind, address, provider], cwd=ROOT)
