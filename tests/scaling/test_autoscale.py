"""`sagamesh up --autoscale` on a small project with slow calls: a burst, and what is left of it afterwards."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from temporalio.client import Client, WorkflowHandle

from sagamesh.cli.main import execute
from sagamesh.stack.autoscale import SlotCount, busy_slots, read_slots
from sagamesh.timeline import load_timeline
from tests.stack.conftest import eventually

FILES = {
    "pyproject.toml": '[tool.sagamesh]\napp = "bath:app"\n',
    "bath.py": """
from datetime import timedelta
from sagamesh import Agent, App, Mesh, Message, Task

class Guest(Message):
    name: str

class Washed(Message):
    name: str

attendant = Agent("attendant")
wash = attendant.capability("wash", takes=Guest, returns=Washed, timeout=timedelta(seconds=30))
porter = Agent("porter")
carry = porter.capability("carry", takes=Guest, returns=Washed)
visit = Task("Visit", takes=Guest, returns=Washed, queue="visits")
app = App(
    mesh=Mesh(attendant, porter),
    tasks=(visit,),
    contracts=("bath",),
    pools={
        "attendant": "bath_pools:attendants",
        "porter": "bath_pools:porters",
        "visits": "bath_pools:visits",
    },
)
""",
    "bath_tasks.py": """
from bath import Guest, Washed, visit, wash
from sagamesh import TaskWorkflow
from temporalio import workflow

@workflow.defn(name="Visit")
class Visit(TaskWorkflow):
    task = visit

    @workflow.run
    async def run(self, guest: Guest) -> Washed:
        return await wash(guest)
""",
    "bath_pools.py": """
import asyncio
from contextlib import asynccontextmanager
from bath import Washed, attendant, carry, porter, visit, wash
from bath_tasks import Visit
from sagamesh import Pool, ResourceSlots

@asynccontextmanager
async def attendants():
    async def bathe(guest):
        await asyncio.sleep(2)
        return Washed(name=guest.name)

    yield Pool(attendant, slots=3).serve(wash, bathe)

@asynccontextmanager
async def porters():
    async def lift(guest):
        return Washed(name=guest.name)

    yield Pool(porter, slots=ResourceSlots()).serve(carry, lift)

@asynccontextmanager
async def visits():
    yield Pool("visits").host(visit, Visit)
""",
}
GUESTS = 40


@dataclass
class Bath:
    folder: Path

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("SAGAMESH_", "TEMPORAL_"))}
        return subprocess.run(
            [sys.executable, "-m", "sagamesh", *arguments],
            cwd=self.folder,
            env=clean,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def state(self) -> dict[str, Any]:
        """The stack's own file, which costs no process to read."""
        state: dict[str, Any] = json.loads((self.folder / ".sagamesh" / "state.json").read_text(encoding="utf-8"))
        return state

    def wanted(self, pool: str) -> int:
        [scale] = [each for each in self.state()["scales"] if each["pool"] == pool]
        wanted: int = scale["wanted"]
        return wanted

    def processes(self, pool: str) -> list[str]:
        return [part["name"] for part in self.state()["parts"] if part["part"] == pool]


@pytest.fixture
def bath(tmp_path: Path) -> Iterator[Bath]:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    made = Bath(tmp_path)
    up = made.run("up", "--detach", "--port", "0", "--autoscale", "--max", "3", "--scale-in-after", "5")
    try:
        assert up.returncode == 0, up.stderr
        yield made
    finally:
        down = made.run("down")
        assert down.returncode == 0, down.stderr
        assert [each for each in psutil.process_iter() if _works_in(each, tmp_path)] == []


def _works_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return Path(process.cwd()) == folder and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


@pytest.mark.stack
@pytest.mark.timeout(300)
def test_a_burst_brings_processes_and_they_go_again(bath: Bath) -> None:
    assert bath.processes("attendant") == ["attendant"]

    async def burst() -> list[str]:
        client = await Client.connect(bath.state()["address"])

        async def send(n: int) -> WorkflowHandle[Any, Any]:
            return await client.start_workflow("Visit", {"name": str(n)}, id=f"visit-{n}", task_queue="visits")

        sent = await asyncio.gather(*(send(n) for n in range(GUESTS)))
        await asyncio.to_thread(eventually, lambda: bath.wanted("attendant") == 3, "the pool is scaled out")
        shown = await asyncio.to_thread(bath.run, "status")
        # Whichever figure asked for more at that moment.
        assert re.search(r"to 3: (backlog|busy slots) \d+ at", shown.stdout), shown.stdout
        washed = await asyncio.gather(*(each.result(rpc_timeout=timedelta(seconds=120)) for each in sent))
        assert [each["name"] for each in washed] == [str(n) for n in range(GUESTS)]
        again, workers = [], set()
        for handle in sent:
            timeline = await load_timeline(handle, client.data_converter)
            again += [f"{timeline.id}: {entry}" for entry in timeline.entries if entry.attempts > 1]
            workers |= {entry.worker for entry in timeline.entries if entry.capability == "attendant.wash"}
        assert len(workers) > 1, "one process has done everything"
        return again

    assert asyncio.run(burst()) == []
    eventually(lambda: bath.processes("attendant") == ["attendant"], "one process is left")
    status = json.loads(bath.run("status", "--json").stdout)
    [pool] = [each for each in status["pools"] if each["name"] == "attendant"]
    assert (pool["ready"], pool["wanted"], pool["leaving"]) == (1, 1, 0)
    assert pool["reason"].startswith("from 2 to 1: ")
    assert {part["restarts"] for part in status["parts"]} == {0}
    # Of slots by resources nobody says how many are free; where nothing is done, one process stays.
    assert bath.processes("porter") == ["porter"]


PAGE = """
# TYPE temporal_worker_task_slots_used gauge
temporal_worker_task_slots_used{namespace="default",task_queue="stock",worker_type="ActivityWorker"} 3
temporal_worker_task_slots_available{namespace="default",task_queue="stock",worker_type="ActivityWorker"} 7
temporal_worker_task_slots_used{namespace="default",task_queue="stock.books",worker_type="ActivityWorker"} 2
temporal_worker_task_slots_used{namespace="default",task_queue="books",worker_type="ActivityWorker"} 0
temporal_worker_task_slots_used{namespace="default",task_queue="stock",worker_type="WorkflowWorker"} 50
temporal_worker_task_slots_available{namespace="default",task_queue="stock",worker_type="WorkflowWorker"} 50
"""


@pytest.mark.parametrize(
    ("queues", "expected"),
    [
        ([("stock", "activities")], SlotCount(3, 10)),
        ([("stock", "activities"), ("stock.books", "activities")], SlotCount(5, None)),
        ([("stock", "workflows")], SlotCount(50, 100)),
        ([("stock", "activities"), ("stock", "workflows")], SlotCount(53, 110)),
        # Slots by resources: nobody says how many are free.
        ([("stock.books", "activities")], SlotCount(2, None)),
        ([("books", "activities")], SlotCount(0, None)),
        ([("mail", "activities")], None),
        ([], None),
    ],
)
def test_the_slots_of_a_process(queues: list[Any], expected: SlotCount | None) -> None:
    assert read_slots(PAGE, queues) == expected


FIXED, IDLE, BY_RESOURCES, IDLE_BY_RESOURCES = (
    SlotCount(8, 10),
    SlotCount(0, 10),
    SlotCount(3, None),
    SlotCount(0, None),
)


@pytest.mark.parametrize(
    ("counts", "wanted"),
    [
        ([FIXED, FIXED], 3),
        ([FIXED, IDLE], 2),
        ([IDLE, IDLE], 0),
        # Slots by resources are never full: no more, and no fewer while something runs.
        ([BY_RESOURCES, BY_RESOURCES], 2),
        ([BY_RESOURCES, IDLE_BY_RESOURCES], 2),
        ([IDLE_BY_RESOURCES, IDLE_BY_RESOURCES], 0),
        ([FIXED, BY_RESOURCES], 2),
        # A process tells nothing, or none is ready.
        ([FIXED, None], None),
        ([IDLE_BY_RESOURCES, None], None),
        ([], None),
    ],
)
def test_what_busy_slots_ask_for(counts: list[SlotCount | None], wanted: int | None) -> None:
    assert busy_slots(counts, 2).wanted == wanted


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--autoscale", "--min", "0"], "--min: at least one process"),
        (["--autoscale", "--min", "3", "--max", "2"], "--max: 2 is less than --min (3)"),
        (["--autoscale", "--scale-in-after", "0"], "--scale-in-after: must be above 0"),
        (["--autoscale", "--inline"], "choose one"),
        (["--min", "2"], "--autoscale does it"),
    ],
)
def test_bounds_that_cannot_be(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["up", *arguments]) == 2
    assert said in " ".join(capsys.readouterr().err.replace("│", " ").split())
