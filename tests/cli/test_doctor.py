"""`sagamesh doctor`: it finds the cause, and what it says to do helps."""

from __future__ import annotations

import asyncio
import os
import shlex
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from temporalio import workflow
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from sagamesh.breaker.notice import Notice
from sagamesh.cli import local_checks
from sagamesh.cli.finding import Level
from sagamesh.cli.server_checks import _queue, _skew
from sagamesh.cli.stack import port_options
from sagamesh.discovery import QueueState
from sagamesh.stack.place import Place
from sagamesh.stack.plan import PortOptions
from sagamesh.stack.process import ProcessId
from sagamesh.stack.state import Phase, StackState, save
from sagamesh.status import Stage
from sagamesh.testing.environment import binary
from tests.cli.shop import APP, PATIENCE, CommandLine, Ran, Shop, order_json


def checks(ran: Ran) -> dict[str, dict[str, str]]:
    return {finding["check"]: finding for finding in ran.json["checks"]}


def levels(ran: Ran) -> dict[str, str]:
    return {name: finding["level"] for name, finding in checks(ran).items()}


def test_all_is_well(sagamesh: CommandLine) -> None:
    ran = sagamesh("doctor", "--json")
    found = levels(ran)
    assert list(found) == [
        *("python", "packages", "app", "pools", "settings", "stack", "ports", "server", "namespace", "attributes"),
        *("clock", "queue accounts", "queue inventory", "queue payment", "queue notification", "queue orders"),
        *("operator", "code"),
    ]
    # Ports and tasks of others may be worth a warning; nothing of this project's is broken.
    assert [name for name, level in found.items() if level == "fail"] == []
    assert (ran.code, ran.err, ran.json["ok"]) == (0, "", True)
    assert checks(ran)["server"]["message"] == f"{sagamesh.address} answers (TEMPORAL_ADDRESS)"


def test_for_people(sagamesh: CommandLine) -> None:
    ran = sagamesh("doctor")
    assert ran.code == 0
    assert "ok    queue payment: 1 worker, nothing waiting\n" in ran.out


class TestServer:
    def test_nobody_listens(self, alone: CommandLine) -> None:
        ran = alone("doctor", "--json")
        assert (ran.code, ran.json["ok"]) == (3, False)
        server = checks(ran)["server"]
        assert server["message"] == f"{alone.address} (TEMPORAL_ADDRESS) does not answer: nothing listens there"
        assert "sagamesh up" in server["advice"]
        assert levels(ran)["app"] == "ok"

    def test_a_name_that_is_not_known(self, alone: CommandLine) -> None:
        alone.address = "no-such-host.invalid:7233"
        ran = alone("doctor", "--json")
        assert ran.code == 3
        assert "does not answer: its name is not known" in checks(ran)["server"]["message"]

    def test_something_else_listens(self, alone: CommandLine) -> None:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(5)
            alone.address = f"127.0.0.1:{listener.getsockname()[1]}"
            ran = alone("doctor", "--json")
        assert ran.code == 3
        assert "does not answer as a Temporal server" in checks(ran)["server"]["message"]

    def test_no_address(self, alone: CommandLine) -> None:
        alone.address = "7233"
        ran = alone("doctor", "--json")
        assert ran.code == 3
        assert "is not host:port" in checks(ran)["server"]["message"]

    def test_where_the_address_comes_from(self, alone: CommandLine, shop: Shop) -> None:
        profile = alone.folder / "temporal.toml"
        profile.write_text(f'[profile.default]\naddress = "{shop.address}"\n', encoding="utf-8")
        alone.extra |= {"TEMPORAL_CONFIG_FILE": str(profile), "TEMPORAL_ADDRESS": None}
        ran = alone("doctor", "--json")
        assert ran.code == 0
        assert checks(ran)["server"]["message"] == (
            f"{shop.address} answers (the profile default of Temporal's configuration file)"
        )

    def test_a_profile_that_cannot_be_read(self, alone: CommandLine) -> None:
        profile = alone.folder / "temporal.toml"
        profile.write_text("[profile.default\n", encoding="utf-8")
        alone.extra |= {"TEMPORAL_CONFIG_FILE": str(profile), "TEMPORAL_ADDRESS": None}
        ran = alone("doctor", "--json")
        assert ran.code == 3
        assert "profile or environment is not valid" in checks(ran)["server"]["message"]

    def test_a_namespace_that_is_not_there(self, sagamesh: CommandLine) -> None:
        sagamesh.extra["TEMPORAL_NAMESPACE"] = "nowhere"
        ran = sagamesh("doctor")
        assert ran.code == 3
        assert "has no namespace nowhere" in ran.out
        assert "temporal operator namespace create --namespace nowhere" in ran.out


class TestProject:
    def app(self, line: CommandLine, text: str) -> dict[str, dict[str, str]]:
        (line.folder / "shop_app.py").write_text(text, encoding="utf-8")
        ran = line("doctor", "--json")
        assert ran.code == (1 if any(level == "fail" for level in levels(ran).values()) else 0)
        return checks(ran)

    def test_code_that_cannot_be_imported(self, sagamesh: CommandLine) -> None:
        found = self.app(sagamesh, "x = 1\napp = undefined\n")["app"]
        assert found["level"] == "fail"
        assert "shop_app.py, line 2: NameError: name 'undefined' is not defined" in found["message"]

    def test_no_app(self, sagamesh: CommandLine) -> None:
        sagamesh.extra["SAGAMESH_APP"] = ""
        ran = sagamesh("doctor", "--json")
        assert ran.code == 1
        assert "no app found" in checks(ran)["app"]["message"]
        # The server is looked at all the same.
        assert levels(ran)["attributes"] == "ok"

    def test_a_mesh_that_goes_round(self, sagamesh: CommandLine) -> None:
        text = """
from sagamesh import Agent, App, Mesh
app = App(mesh=Mesh(Agent("hen", depends_on=["egg"]), Agent("egg", depends_on=["hen"])), pools={})
"""
        assert "circular dependency: " in self.app(sagamesh, text)["app"]["message"]

    def test_a_task_that_no_class_runs(self, sagamesh: CommandLine) -> None:
        found = self.app(sagamesh, APP.replace('workflows=("mesh_workflows.order:Order",),', ""))["app"]
        assert found["level"] == "warn"
        assert "no workflow class runs Order" in found["message"]

    def test_a_pool_that_cannot_be_imported(self, sagamesh: CommandLine) -> None:
        found = self.app(sagamesh, APP.replace("shop_app:pool", "no_such_module:pool"))["pools"]
        assert found["level"] == "fail"
        assert "No module named 'no_such_module'" in found["message"]

    @pytest.mark.parametrize(("given", "level"), [("", "fail"), ('embedded={"SAGAMESH_SHOP_KEY": "x"},', "ok")])
    def test_settings(self, sagamesh: CommandLine, given: str, level: str) -> None:
        text = APP.replace("app = App(", f"app = App({given}") + (
            "\nfrom pydantic_settings import BaseSettings, SettingsConfigDict\n"
            "class ShopSettings(BaseSettings):\n"
            '    model_config = SettingsConfigDict(env_prefix="SAGAMESH_SHOP_")\n'
            "    key: str\n"
        )
        found = self.app(sagamesh, text)["settings"]
        assert (found["level"], "SAGAMESH_SHOP_KEY" in found["message"]) == (level, True)
        sagamesh.extra["SAGAMESH_SHOP_KEY"] = "secret"
        assert self.app(sagamesh, text)["settings"]["level"] == "ok"

    def test_a_setting_that_is_wrong(self, sagamesh: CommandLine) -> None:
        sagamesh.extra["SAGAMESH_SLOTS"] = "many"
        ran = sagamesh("doctor", "--json")
        assert ran.code == 1
        settings = checks(ran)["settings"]
        assert (settings["level"], "SAGAMESH_SLOTS" in settings["message"]) == ("fail", True)
        assert "many" not in settings["message"]

    def test_a_port_that_is_taken(self, sagamesh: CommandLine) -> None:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(1)
            port = listener.getsockname()[1]
            helper = f'helpers=(Helper(name="till", module="till", port={port}),),'
            text = APP.replace("app = App(", f"from sagamesh import Helper\napp = App({helper}")
            found = self.app(sagamesh, text)["ports"]
        assert found["level"] == "warn"
        assert f"port {port} (till) is taken by process {os.getpid()}" in found["message"]

    def test_a_stack_whose_supervisor_was_killed(self, sagamesh: CommandLine) -> None:
        place = Place.of(sagamesh.folder)
        place.create()
        dead = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        was = ProcessId.of(dead.pid)
        dead.communicate(b"\n")
        save(place, StackState(supervisor=was, phase=Phase.READY, root=place.root, folder=place.folder))
        found = checks(sagamesh("doctor", "--json"))["stack"]
        assert (found["level"], found["message"]) == ("warn", "its supervisor was killed")
        assert "sagamesh up" in found["advice"]


class TestWorkers:
    def test_an_agent_that_nobody_serves(self, sagamesh: CommandLine) -> None:
        text = APP.replace("Mesh(", 'Mesh(Agent("ghost"), ').replace("import App", "import Agent, App")
        text = text.replace('("accounts", "inventory"', '("ghost", "accounts", "inventory"')
        (sagamesh.folder / "shop_app.py").write_text(text, encoding="utf-8")
        ran = sagamesh("doctor", "--json")
        assert ran.code == 1
        ghost = checks(ran)["queue ghost"]
        assert (ghost["level"], ghost["message"]) == ("fail", "no worker (never seen); nothing waiting")
        assert ghost["advice"] == "start it: sagamesh worker ghost, or `sagamesh up` for everything"

    def test_tasks_that_wait_for_somebody_to_host_them(
        self, sagamesh: CommandLine, shop: Shop, new_id: Callable[[], str]
    ) -> None:
        text = APP.replace("tasks=(order,),", 'tasks=(replace(order, queue="abandoned"),),')
        text = text.replace('"orders"), "shop_app', '"abandoned"), "shop_app') + "\n"
        (sagamesh.folder / "shop_app.py").write_text(f"from dataclasses import replace\n{text}", encoding="utf-8")
        task_id = new_id()
        assert sagamesh("start", "Order", "-i", "-", "--id", task_id, stdin=order_json()).code == 0
        shop.until(lambda: "1 waiting" in checks(sagamesh("doctor", "--json"))["queue abandoned"]["message"])
        assert levels(sagamesh("doctor", "--json"))["queue abandoned"] == "fail"
        shop.call(shop.client.temporal.get_workflow_handle(task_id).terminate())


def test_tasks_that_nobody_hosts_inline(sagamesh: CommandLine, shop: Shop, new_id: Callable[[], str]) -> None:
    task_id, queue = new_id(), "queue orders.inline"
    started = sagamesh("start", "Order", "-i", "-", "--id", task_id, "--inline", stdin=order_json())
    assert started.code == 0, started.err
    shop.until(lambda: queue in checks(sagamesh("doctor", "--json")))
    found = checks(sagamesh("doctor", "--json"))[queue]
    assert (found["level"], found["message"]) == ("fail", f"no process hosts tasks inline; waiting: {task_id}")
    assert "sagamesh up --inline" in found["advice"]
    shop.call(shop.client.temporal.get_workflow_handle(task_id).terminate())


def test_tasks_that_need_an_operator(sagamesh: CommandLine, shop: Shop, new_id: Callable[[], str]) -> None:
    task_id = new_id()
    body = order_json(payment_method="pm_no_refund")
    assert sagamesh("start", "Order", "-i", "-", "--id", task_id, stdin=body).code == 0
    shop.reaches(task_id, Stage.NEEDS_OPERATOR)
    shop.until(lambda: task_id in checks(sagamesh("doctor", "--json"))["operator"]["message"])
    found = checks(sagamesh("doctor", "--json"))["operator"]
    assert (found["level"], "sagamesh operator " in found["advice"]) == ("warn", True)
    assert sagamesh("operator", task_id, "payment.charge", "--retry").code == 0


@pytest.mark.parametrize(
    ("seen", "level", "said"),
    [
        (0, Level.OK, "agrees"),
        (-2.0, Level.OK, "agrees"),
        (3.0, Level.OK, "agrees"),
        (-2.5, Level.WARN, "this machine is 2.50 s ahead of the server"),
        (91.0, Level.WARN, "this machine is 1 min 30 s behind the server"),
    ],
)
def test_clocks(seen: float, level: Level, said: str) -> None:
    before = datetime(2026, 1, 31, tzinfo=UTC)
    found = _skew(before + timedelta(seconds=seen), before, before + timedelta(seconds=1))
    assert found.level is level
    assert said in found.message


HELD = Notice("gateway", "forced open", datetime(2026, 1, 31, tzinfo=UTC), cause="maintenance")


@pytest.mark.parametrize("limited", [False, True])
@pytest.mark.parametrize("oldest", [timedelta(0), timedelta(hours=1)])
def test_a_breaker_is_named_and_no_limit_blamed(oldest: timedelta, limited: bool) -> None:
    state = QueueState(
        serves="payment",
        kind="agent",
        queue="payment",
        workers=("1@host",),
        last_seen=None,
        backlog=3,
        oldest=oldest,
        added=0,
        dispatched=0,
        limited=limited,
        breakers=(HELD,),
    )
    found = _queue(state)
    assert found.level is Level.WARN
    assert "1 worker, held by a breaker: gateway forced open (maintenance); 3 waiting" in found.message
    assert "sagamesh breaker list" in found.advice


@pytest.mark.parametrize("extra", ["opentelemetry-sdk", "prometheus-client", "python-json-logger", "psutil"])
def test_a_package_of_any_extra_may_be_wrong(extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    version = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: "0.0.1" if name == extra else version(name))
    found = {finding.check: finding for finding in local_checks.local_checks()}["packages"]
    assert found.level is Level.FAIL
    assert f"{extra} 0.0.1 is not " in found.message


class TestPorts:
    @pytest.mark.parametrize(
        ("variables", "options"),
        [
            ({}, PortOptions()),
            ({"SAGAMESH_PORT": "0"}, PortOptions(grpc=0)),
            (
                {"SAGAMESH_UI_PORT": "8300", "SAGAMESH_HTTP_PORT": "8301", "SAGAMESH_METRICS_PORT": "8302"},
                PortOptions(web=8300, http=8301, metrics=8302),
            ),
            (
                {"SAGAMESH_HELPER_PORTS": "gateway=7401 mailbox=0"},
                PortOptions(helpers={"gateway": 7401, "mailbox": 0}),
            ),
        ],
    )
    def test_as_the_environment_says(
        self, variables: dict[str, str], options: PortOptions, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("", "UI_", "HTTP_", "METRICS_"):
            monkeypatch.delenv(f"SAGAMESH_{name}PORT", raising=False)
        monkeypatch.delenv("SAGAMESH_HELPER_PORTS", raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        assert port_options() == options

    def test_the_port_that_up_would_take_is_looked_at(self, sagamesh: CommandLine) -> None:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(1)
            port = listener.getsockname()[1]
            sagamesh.extra["SAGAMESH_PORT"] = str(port)
            found = checks(sagamesh("doctor", "--json"))["ports"]
        assert found["level"] == "warn"
        assert f"port {port} (temporal) is taken by process {os.getpid()}" in found["message"]

    @pytest.mark.parametrize(
        ("variable", "value", "said"),
        [
            ("SAGAMESH_PORT", "many", "'--port'"),
            ("SAGAMESH_PORT", "70000", "70000 is no port"),
            ("SAGAMESH_HELPER_PORTS", "gateway", "'gateway' is not NAME=PORT"),
            ("SAGAMESH_HELPER_PORTS", "nobody=7401", "nobody"),
        ],
    )
    def test_what_up_would_refuse(self, sagamesh: CommandLine, variable: str, value: str, said: str) -> None:
        sagamesh.extra[variable] = value
        ran = sagamesh("doctor", "--json")
        found = checks(ran)["ports"]
        assert (ran.code, found["level"], said in found["message"]) == (1, "fail", True)


@workflow.defn
class Buggy:
    """A task whose code fails."""

    @workflow.run
    async def run(self) -> None:
        raise KeyError("no such branch")


class Bare:
    """A server that nobody prepared for Sagamesh, and that reports failing code at its first failure."""

    def __init__(self, loop: asyncio.AbstractEventLoop, environment: WorkflowEnvironment) -> None:
        self.loop = loop
        self.client = environment.client
        self.address = environment.client.service_client.config.target_host

    @asynccontextmanager
    async def buggy(self, task_id: str) -> AsyncIterator[None]:
        async with Worker(
            self.client, task_queue="buggy", workflows=[Buggy], workflow_runner=UnsandboxedWorkflowRunner()
        ):
            await self.client.start_workflow("Buggy", id=task_id, task_queue="buggy")
            yield


@pytest.fixture
def bare(folder: Path) -> Iterator[Bare]:
    with asyncio.Runner() as runner:
        environment = runner.run(
            WorkflowEnvironment.start_local(
                dev_server_existing_path=binary("temporal", "sagamesh[stack]"),
                dev_server_log_level="error",
                dev_server_extra_args=[
                    "--dynamic-config-value",
                    "system.numConsecutiveWorkflowTaskProblemsToTriggerSearchAttribute=1",
                ],
                ip="127.0.0.1",
            )
        )
        try:
            yield Bare(runner.get_loop(), environment)
        finally:
            runner.run(environment.shutdown())


def test_a_server_that_nobody_prepared(bare: Bare, folder: Path) -> None:
    line = CommandLine(folder, bare.address)
    refused = line("start", "Order", "-i", "-", stdin=order_json())
    assert (refused.code, refused.out) == (1, "")
    assert "does not know the search attributes of Sagamesh" in refused.err
    assert "temporal operator search-attribute create --namespace default" in refused.err
    assert line("list", "--needs-operator").code == 1

    # One of them is there already, and the command is about the others only.
    run([*shlex.split("temporal operator search-attribute create --name SagameshCustomer --type Keyword")], bare)
    ran = line("doctor", "--json")
    assert ran.code == 1
    found = checks(ran)["attributes"]
    assert found["level"] == "fail"
    assert found["message"] == "not registered: SagameshStatus, SagameshNeedsOperator, SagameshAgents"
    run(shlex.split(found["advice"]))
    assert levels(line("doctor", "--json"))["attributes"] == "ok"
    assert line("start", "Order", "-i", "-", stdin=order_json()).code == 0

    async def with_a_bug() -> Any:
        async with bare.buggy("bug-1"), asyncio.timeout(PATIENCE):
            while (found := checks(await asyncio.to_thread(line, "doctor", "--json"))["code"])["level"] == "ok":
                pass  # the server finds out some moments later
            return found

    found = bare.loop.run_until_complete(with_a_bug())
    assert (found["level"], found["message"]) == ("fail", "their own code fails, again and again: bug-1")
    shown = line("show", "bug-1")
    assert shown.code == 0
    assert "KeyError: 'no such branch'" in shown.out


def run(command: list[str], bare: Bare | None = None) -> None:
    """Run a command of the `temporal` tool as it was printed."""
    assert command[0] == "temporal"
    address = ["--address", bare.address] if bare is not None else []
    program = binary("temporal", "sagamesh[stack]")
    done = subprocess.run([program, *command[1:], *address], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
