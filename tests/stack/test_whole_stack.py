"""`sagamesh up`, `down` and `status` on a small project, with the real server and real pools."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeAlias

import psutil
import pytest
from temporalio.client import Client

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

Until: TypeAlias = Callable[[Callable[[], Any], str], Any]

FILES = {
    "pyproject.toml": '[tool.sagamesh]\napp = "inn:app"\n',
    "inn.py": """
from sagamesh import Agent, App, Helper, Mesh, Message, Task

class Guest(Message):
    name: str
    naps: float = 0

class Greeting(Message):
    text: str

host = Agent("host")
greet = host.capability("greet", takes=Guest, returns=Greeting)
stay = Task("Stay", takes=Guest, returns=Greeting, queue="stays")
app = App(
    mesh=Mesh(host),
    tasks=(stay,),
    contracts=("inn",),
    pools={"host": "inn_pools:hosts", "stays": "inn_pools:stays"},
    helpers=(Helper("door", "inn_door", 7398, ready_path="/", provides={"INN_DOOR": "{port}"}),),
    embedded={"INN_BOOK": "{dir}/book"},
)
""",
    "inn_tasks.py": """
from datetime import timedelta
from inn import Greeting, Guest, greet, stay
from sagamesh import TaskWorkflow
from temporalio import workflow

@workflow.defn(name="Stay")
class Stay(TaskWorkflow):
    task = stay

    @workflow.run
    async def run(self, guest: Guest) -> Greeting:
        await workflow.sleep(timedelta(seconds=guest.naps))
        return await greet(guest)
""",
    "inn_pools.py": """
import os
from contextlib import asynccontextmanager
from pathlib import Path
from inn import Greeting, greet, host, stay
from inn_tasks import Stay
from sagamesh import Pool

@asynccontextmanager
async def hosts():
    if Path("broken").exists():
        raise SystemExit("the roof is gone")
    book = Path(os.environ["INN_BOOK"])
    int(os.environ["INN_DOOR"])

    async def say(guest):
        with book.open("a") as pages:
            pages.write(f"{guest.name}\\n")
        return Greeting(text=f"Welcome, {guest.name}")

    yield Pool(host).serve(greet, say)

@asynccontextmanager
async def stays():
    yield Pool("stays").host(stay, Stay)
""",
    "inn_door.py": """
import argparse
from http.server import HTTPServer, SimpleHTTPRequestHandler

options = argparse.ArgumentParser()
for name in ("--host", "--port", "--dir"):
    options.add_argument(name)
chosen = options.parse_args()
HTTPServer((chosen.host, int(chosen.port)), SimpleHTTPRequestHandler).serve_forever()
""",
}
PARTS = ["temporal", "door", "host", "stays"]


@dataclass
class Inn:
    """The project, and commands in it."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        return {name: value for name, value in os.environ.items() if not name.startswith(("SAGAMESH_", "TEMPORAL_"))}

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "sagamesh", *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def done(self, *arguments: str) -> str:
        """What a command prints that must succeed."""
        ran = self.run(*arguments)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    def up(self, *arguments: str) -> dict[str, Any]:
        """Start it in the background on free ports; the state that it prints."""
        state: dict[str, Any] = json.loads(self.done("up", "--detach", "--port", "0", "--json", *arguments))
        return state

    def status(self) -> dict[str, Any]:
        state: dict[str, Any] = json.loads(self.run("status", "--json").stdout)
        return state

    def processes(self) -> list[psutil.Process]:
        """Everything that runs for this project, whoever started it."""
        return [process for process in psutil.process_iter() if _works_in(process, self.folder)]


def _works_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return Path(process.cwd()) == folder and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


@pytest.fixture
def inn(tmp_path: Path) -> Iterator[Inn]:
    """The project, not yet up. What is left of it at the end is killed."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    made = Inn(tmp_path)
    try:
        yield made
    finally:
        for process in made.processes():
            process.kill()


async def _start(address: str, task_id: str, naps: float = 0) -> None:
    client = await Client.connect(address)
    await client.start_workflow("Stay", {"name": "Ada", "naps": naps}, id=task_id, task_queue="stays")


async def _result(address: str, task_id: str) -> Any:
    client = await Client.connect(address)
    return await client.get_workflow_handle(task_id).result(rpc_timeout=timedelta(seconds=120))


def test_up_status_second_up_and_down(inn: Inn) -> None:
    state = inn.up()
    assert (state["state"], state["running"]) == ("ready", True)
    assert [part["name"] for part in state["parts"]] == PARTS
    assert {part["state"] for part in state["parts"]} == {"ready"}
    status = inn.status()
    assert [part["pid"] for part in status["parts"]] == [part["pid"] for part in state["parts"]]
    assert all(part["uptime"] > 0 and part["restarts"] == 0 for part in status["parts"])
    assert "serving host on" in next(part["last_line"] for part in status["parts"] if part["name"] == "host")
    said = inn.done("status")
    assert state["address"] in said
    assert state["web"] in said
    asyncio.run(_start(state["address"], "stay-1"))
    assert asyncio.run(_result(state["address"], "stay-1")) == {"text": "Welcome, Ada"}
    assert (inn.folder / ".sagamesh" / "data" / "book").read_text() == "Ada\n"

    for arguments in (["up"], ["up", "--detach"], ["up", "--port", "0"]):
        again = inn.run(*arguments)
        assert (again.returncode, state["address"] in again.stdout) == (0, True)
        assert f"already runs here: process {state['supervisor']}" in again.stderr
    assert [part["pid"] for part in inn.status()["parts"]] == [part["pid"] for part in state["parts"]]
    assert len(inn.processes()) == 1 + len(PARTS)

    assert "Stopped." in inn.done("down")
    assert inn.processes() == []
    assert "Nothing runs" in inn.done("down")
    assert inn.run("status").returncode == 3


def test_whatever_is_killed_comes_back_and_nothing_is_lost(inn: Inn, until: Until) -> None:
    state = inn.up()
    asyncio.run(_start(state["address"], "stay-1", naps=2))
    for part in state["parts"]:
        os.kill(part["pid"], signal.SIGKILL)

    def back() -> bool:
        parts = inn.status()["parts"]
        return all(part["state"] == "ready" and part["restarts"] >= 1 for part in parts)

    until(back, "all parts are back")
    assert asyncio.run(_result(state["address"], "stay-1")) == {"text": "Welcome, Ada"}

    asyncio.run(_start(state["address"], "stay-2", naps=2))
    for process in inn.processes():
        process.kill()
    until(lambda: inn.processes() == [], "nothing runs")
    status = inn.run("status")
    assert status.returncode == 3
    assert "was killed; nothing is left of it" in status.stdout
    state = inn.up()
    assert asyncio.run(_result(state["address"], "stay-2")) == {"text": "Welcome, Ada"}

    os.kill(state["supervisor"], signal.SIGKILL)
    inn.done("down")
    until(lambda: inn.processes() == [], "nothing runs")


def test_in_the_foreground_results_and_progress_are_apart_and_ctrl_c_ends_it(inn: Inn, until: Until) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "sagamesh", "up", "--port", "0"],
        cwd=inn.folder,
        env=inn.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as up:
        until(lambda: inn.status()["state"] == "ready", "it is up")
        address = inn.status()["address"]
        up.send_signal(signal.SIGINT)
        printed, progress = up.communicate(timeout=60)
    assert up.returncode == 0, progress
    assert printed.startswith("Sagamesh is up.\n")
    assert address in printed
    said = [line.split()[2] for line in progress.splitlines()]
    assert said[:4] == PARTS
    assert sorted(said[4:6]) == ["host", "stays"]
    assert said[6:] == ["door", "temporal"]
    assert inn.processes() == []


@pytest.mark.parametrize("detached", [False, True])
def test_a_pool_that_cannot_start_is_named_with_its_last_words(inn: Inn, *, detached: bool) -> None:
    (inn.folder / "broken").touch()
    failed = inn.run("up", "--port", "0", *(["--detach"] if detached else []))
    assert failed.returncode == 1
    assert "error: host ended before it was ready: exit code" in failed.stderr
    assert "the roof is gone" in failed.stderr
    assert failed.stdout == ""
    assert inn.processes() == []
    assert "the roof is gone" in inn.run("status").stdout
    (inn.folder / "broken").unlink()
    assert inn.up()["state"] == "ready"
    inn.done("down")


def test_a_taken_port_is_refused_before_anything_starts(inn: Inn) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = inn.run("up", "--port", "0", "--helper-port", f"door={port}")
        assert refused.returncode == 2
        assert f"port {port} (door) is taken by process {os.getpid()}" in refused.stderr
        detached = inn.run("up", "--detach", "--port", "0", "--helper-port", f"door={port}")
        assert detached.returncode == 2
    assert not (inn.folder / ".sagamesh" / "temporal.db").exists()
    assert inn.processes() == []
