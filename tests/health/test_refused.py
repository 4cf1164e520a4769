"""Real processes that cannot start: one clear line each, the right exit code, no traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sagamesh.stack.ports import free_port
from tests.health.conftest import Fleet, Process
from tests.support.engine import eventually
from tests.support.protocol_servers import protocol_server
from tests.support.tls import Papers, issued, tls_front


@dataclass
class Scene:
    """Servers that are not as they should be, and the papers for them."""

    papers: Papers
    secured: str
    mutual: str
    old: str
    trusting: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        authority = str(self.papers.authority(self.papers.servers))
        self.trusting = {"TEMPORAL_TLS_SERVER_CA_CERT_PATH": authority}


@pytest.fixture
def scene(address: str, tmp_path: Path) -> Iterator[Scene]:
    papers = Papers(tmp_path)
    leaf = issued(papers.servers, "127.0.0.1")
    with ExitStack() as stack:
        yield Scene(
            papers,
            stack.enter_context(tls_front(address, leaf)),
            stack.enter_context(tls_front(address, leaf, clients=papers.clients)),
            stack.enter_context(protocol_server("1.27.2")),
        )


@pytest.mark.asyncio
async def test_one_line_and_an_exit_code(fleet: Fleet, scene: Scene, address: str) -> None:
    """Side by side, since each takes a start of Python."""
    stranger = str(scene.papers.authority(scene.papers.strangers))
    cases: list[tuple[tuple[str, ...], dict[str, str], int, str]] = [
        (("worker", "clark"), {}, 2, "no pool is called 'clark'; did you mean clerk?"),
        (
            ("worker", "clerk"),
            {"TEMPORAL_TLS_SERVER_CA_CERT_PATH": "/nowhere.pem"},
            2,
            "TEMPORAL_TLS_SERVER_CA_CERT_PATH: /nowhere.pem cannot be read: No such file or directory",
        ),
        (
            ("worker", "clerk"),
            {"TEMPORAL_ADDRESS": scene.secured, "TEMPORAL_TLS_SERVER_CA_CERT_PATH": stranger},
            3,
            f"the Temporal server at {scene.secured} (namespace default) is not trusted: ",
        ),
        (("worker", "clerk"), {"TEMPORAL_ADDRESS": scene.old}, 3, "is too old: it is 1.27.2, and Sagamesh needs 1.29"),
        (("worker", "errands"), {"TEMPORAL_NAMESPACE": "nowhere"}, 3, f"at {address} has no namespace nowhere"),
        (("list",), {"TEMPORAL_ADDRESS": scene.secured}, 3, "speaks TLS, and this process does not"),
    ]
    started = [(fleet.command(*command, **settings), code, part) for command, settings, code, part in cases]
    for process, code, part in started:
        await process.ends(code)
        errors = [line for line in process.log.splitlines() if line.startswith("error: ")]
        assert [part in line for line in errors] == [True], process.log
        assert "Traceback" not in process.log
        assert process.out == ""


@pytest.mark.asyncio
async def test_mutual_tls_for_workers_and_doctor(fleet: Fleet, scene: Scene) -> None:
    pair = scene.papers.client(scene.papers.clients)
    trusted = {
        "TEMPORAL_ADDRESS": scene.mutual,
        **scene.trusting,
        "TEMPORAL_TLS_CLIENT_CERT_PATH": str(pair.certificate),
        "TEMPORAL_TLS_CLIENT_KEY_PATH": str(pair.key),
    }
    worker = fleet.start(**trusted)
    lacking = fleet.command("doctor", "--json", TEMPORAL_ADDRESS=scene.mutual, **scene.trusting)
    await worker.says("/readyz", 200)
    doctor = fleet.command("doctor", "--json", **trusted)

    await lacking.ends(3)
    found = {check["check"]: check for check in json.loads(lacking.out)["checks"]}["server"]
    assert found["message"] == f"{scene.mutual} (TEMPORAL_ADDRESS) wants a client certificate, and none is set"
    assert found["advice"] == "Set TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH"

    async def well(asked: Process) -> bool:
        await asked.ended()
        levels = {check["check"]: check["level"] for check in json.loads(asked.out)["checks"]}
        assert (levels["server"], levels["namespace"]) == ("ok", "ok")
        return bool(levels["queue clerk"] == "ok")

    if not await well(doctor):  # what waited for the worker may not all be done yet
        await eventually(lambda: well(fleet.command("doctor", "--json", **trusted)))


def test_the_application_as_a_module(tmp_path: Path) -> None:
    """It knows its own pools in any folder."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("SAGAMESH_", "TEMPORAL_"))}
    ran = subprocess.run(
        [sys.executable, "-m", "mesh_workers", "paiment"], cwd=tmp_path, env=clean, capture_output=True, text=True
    )

    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == "error: no pool is called 'paiment'; did you mean payment or inventory?\n"


@pytest.mark.asyncio
async def test_what_an_agent_needs_is_named(fleet: Fleet, tmp_path: Path) -> None:
    """The application's own settings and databases, each refused with what a person can correct; no secret is shown."""
    text, closed = tmp_path / "notes.txt", free_port()
    text.write_text("no database, but long enough to be looked at as one\n" * 20, encoding="utf-8")
    database, shop = "SAGAMESH_ACCOUNTS_DATABASE", f"postgresql://u:hunter2@127.0.0.1:{closed}/shop"
    key = {"SAGAMESH_PAYMENT_KEY": "sk_test_hunter2"}
    cases: list[tuple[tuple[str, ...], dict[str, str], int, str]] = [
        (
            ("accounts",),
            {database: "mysql://u:hunter2@h/db"},
            2,
            f"{database}: a database is sqlite or postgresql, not",
        ),
        (("accounts",), {database: "sqlite:////nowhere/x.db"}, 2, f"{database}: there is no folder /nowhere"),
        (("accounts",), {database: f"sqlite:///{tmp_path}"}, 2, f"{database}: {tmp_path} is a folder"),
        (("accounts",), {database: f"sqlite:///{text}"}, 2, f"{database}: the SQLite file {text} cannot be opened"),
        (
            ("accounts",),
            {database: shop},
            3,
            f"pool accounts: the PostgreSQL database shop at 127.0.0.1:{closed} ({database}) cannot be reached: ",
        ),
        (("accounts", "accounts"), {}, 2, "accounts: named twice"),
        (("payment",), {**key, "SAGAMESH_PAYMENT_URL": "gateway"}, 2, "SAGAMESH_PAYMENT_URL: must look like https://"),
        (("notification",), {"SAGAMESH_MAIL_SENDER": "shop"}, 2, "SAGAMESH_MAIL_SENDER: is no mail address"),
        (("notification",), {"SAGAMESH_MAIL_CA_FILE": str(text)}, 2, f"SAGAMESH_MAIL_CA_FILE: {text} cannot be read"),
    ]
    unharmed = {
        "SAGAMESH_APP": "mesh_workers:app",
        "SAGAMESH_PAYMENT_DATABASE": f"sqlite:///{tmp_path}/payment.db",
        "SAGAMESH_MAIL_DATABASE": f"sqlite:///{tmp_path}/mail.db",
    }
    started = [(fleet.start(*pools, **{**unharmed, **settings}), code, part) for pools, settings, code, part in cases]
    for process, code, part in started:
        await process.ends(code)
        errors = [line for line in process.log.splitlines() if line.startswith("error: ")]
        assert [part in line for line in errors] == [True], process.log
        assert "Traceback" not in process.log
        assert "hunter2" not in process.log
        assert process.out == ""
