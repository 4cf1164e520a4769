"""What worker processes log about calls and tasks: JSON for programs, lines for people."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from datetime import date
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from sagamesh.errors import InvalidInput, TaskFailed
from sagamesh.json_lines import JsonLines
from sagamesh.logs import Lines, keep_logs
from sagamesh.settings import WorkerSettings
from tests.health.conftest import Process
from tests.support.clerks import Errand, errand
from tests.tracing.conftest import World

FAILED = "Completing activity as failed"


def lines_of(process: Process) -> list[dict[str, Any]]:
    """Each line that it logged; a line that is no JSON is an error."""
    return [json.loads(line) for line in process.log.splitlines()]


@pytest.mark.asyncio(loop_scope="session")
async def test_a_process_logs_json(world: World) -> None:
    process = world.start("clerk", "errands", **world.collector.environment, SAGAMESH_LOG_FORMAT="json")
    await (await world.client.start(errand, Errand(how="warn"), id="worn")).result()
    handle = await world.client.start(errand, Errand(how="fail"), id="failing")
    with pytest.raises(TaskFailed):
        await handle.result()
    process.terminate()
    await process.ends(0)
    [task, *runs] = sorted(
        await world.collector.until(lambda found: len(found) == 4, task="failing"),
        key=lambda span: (span.name != "RunWorkflow:Errand", span.start_time_unix_nano),
    )
    runs = [span for span in runs if span.name == "RunActivity:clerk.work"]

    lines = lines_of(process)

    assert all({"time", "level", "logger", "message"} <= line.keys() for line in lines)
    assert any(line["message"].startswith("serving clerk, errands") for line in lines)
    of_task = {"task": "failing", "run": handle.run_id, "attempt": 1, **ids(task)}
    [begun] = (line for line in lines if line["message"] == "an errand to run" and line["task"] == "failing")
    assert {**of_task, "type": "Errand", "level": "INFO"}.items() <= begun.items()
    assert not {"agent", "capability", "temporal_workflow"} & begun.keys()
    working = [line for line in lines if line["message"] == "an errand is run" and line["task"] == "failing"]
    failed = [line for line in lines if line["message"] == FAILED]
    for attempt, span, *told in zip((1, 2), runs, working, failed, strict=True):
        known = {**of_task, "agent": "clerk", "capability": "clerk.work", "attempt": attempt, **ids(span)}
        for line in told:
            assert known.items() <= line.items()
    for line in failed:
        assert line["exception"]["type"].endswith("ApplicationError")
        assert line["exception"]["message"] == "OSError: the pen is broken"
        assert "clerks.py" in line["exception"]["stacktrace"]
    [warned] = (line for line in lines if line["logger"] == "py.warnings")
    assert "the pen is nearly empty" in warned["message"]
    assert (warned["task"], warned["capability"]) == ("worn", "clerk.work")


def ids(span: Span) -> dict[str, str]:
    return {"trace": span.trace_id.hex(), "span": span.span_id.hex()}


@pytest.mark.asyncio(loop_scope="session")
async def test_a_process_logs_for_people(world: World) -> None:
    process = world.start("clerk", "errands", OTEL_SDK_DISABLED="true")
    handle = await world.client.start(errand, Errand(how="fail"), id="failing-plainly")
    with pytest.raises(TaskFailed):
        await handle.result()
    await process.kill()  # so that no other test's calls come to it

    told = f"task=failing-plainly run={handle.run_id} agent=clerk capability=clerk.work"
    for attempt in (1, 2):
        assert f" WARNING temporalio.activity: {FAILED} [{told} attempt={attempt}]\nTraceback" in process.log


def record(message: str, *args: object, **extra: object) -> logging.LogRecord:
    return logging.getLogger("shop").makeRecord(
        "shop", logging.INFO, "shop.py", 1, message, args, None, "sell", dict(extra)
    )


def test_what_is_logged_beside_a_message_stays_beside_it() -> None:
    written = json.loads(JsonLines().format(record("sold %d", 3, sku="book", level="high", on=date(2026, 3, 1))))

    assert written.pop("time").endswith("+00:00")
    assert written == {"level": "INFO", "logger": "shop", "message": "sold 3", "sku": "book", "on": "2026-03-01"}


def test_what_the_engine_says_of_a_task_becomes_fields() -> None:
    details = {"workflow_id": "order-1", "run_id": "r", "workflow_type": "Order", "attempt": 2, "task_queue": "orders"}
    made = record("failing workflow task", temporal_workflow=details)

    written = json.loads(JsonLines().format(made))
    line = Lines("%(levelname)s %(message)s").format(made)

    assert {"task": "order-1", "run": "r", "type": "Order", "attempt": 2}.items() <= written.items()
    assert "temporal_workflow" not in written
    assert line == "INFO failing workflow task [task=order-1 run=r type=Order attempt=2]"


def test_what_the_engine_core_says_becomes_fields() -> None:
    class Entry:
        fields = {"workflow_id": "order-1", "run_id": "r", "activity_type": "payment.charge", "attempt": 3}  # noqa: RUF012

    written = json.loads(JsonLines().format(record("late", temporal_log=Entry())))

    known = {"task": "order-1", "run": "r", "agent": "payment", "capability": "payment.charge", "attempt": 3}
    assert known.items() <= written.items()
    assert "temporal_log" not in written


def test_an_error_is_a_field() -> None:
    made = record("it went wrong")
    try:
        raise KeyError("sku")
    except KeyError:
        made.exc_info = sys.exc_info()

    written = json.loads(JsonLines().format(made))

    assert written["exception"].pop("stacktrace").startswith("Traceback")
    assert written["exception"] == {"type": "builtins.KeyError", "message": "'sku'"}


def test_elsewhere_a_line_is_only_a_line() -> None:
    assert Lines("%(levelname)s %(message)s").format(record("ready")) == "INFO ready"


def test_json_without_what_writes_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "sagamesh.json_lines")
    monkeypatch.setitem(sys.modules, "pythonjsonlogger.core", None)

    with pytest.raises(InvalidInput, match=r"SAGAMESH_LOG_FORMAT: json needs sagamesh\[logs\]"):
        keep_logs(WorkerSettings(log_format="json"))


REQUEST = """
import httpx
from sagamesh.logs import keep_logs
from sagamesh.settings import WorkerSettings

keep_logs(WorkerSettings())
with httpx.Client(transport=httpx.MockTransport(lambda request: httpx.Response(200))) as client:
    client.get("http://bank.example/cards?key=secret")
"""


@pytest.mark.parametrize(("level", "told"), [("INFO", False), ("DEBUG", True)])
def test_addresses_of_requests_are_told_to_whoever_looks_for_a_bug(level: str, *, told: bool) -> None:
    environment = {**os.environ, "SAGAMESH_LOG_LEVEL": level, "SAGAMESH_LOG_FORMAT": "human"}
    done = subprocess.run([sys.executable, "-c", REQUEST], env=environment, capture_output=True, text=True, check=True)
    assert ("bank.example/cards" in done.stderr) is told
