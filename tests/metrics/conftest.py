"""The reference application in five worker processes on a real server, and a real Prometheus that reads them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
import yaml
from temporalio import client as temporal

from mesh_agents.order import OrderResult, order
from mesh_workers import app
from mesh_workers.seed import one_line
from sagamesh import Client, TaskHandle
from sagamesh.testing import dev_server
from tests.health.conftest import Fleet, Process
from tests.support import prometheus
from tests.support.mail_servers import MailboxProcess
from tests.support.payment_gateways import API_KEY, Sandbox, running

ROOT = Path(__file__).parents[2]
SCRAPE_CONFIGURATION = ROOT / "deploy" / "prometheus" / "prometheus.yml"

NAMESPACE = "shop"
"""What Kubernetes would say of these processes. It hides the engine's own label of that name."""

START = 300.0
"""Seconds that the processes may take to start, five at once on a machine that may have other things to do."""

COMPLETED = 24
DECLINED = 3


@dataclass
class Shop:
    """The running application, and what was done with it."""

    client: Client
    server: temporal.Client
    prometheus: prometheus.Prometheus
    gateway: Sandbox
    mailbox: MailboxProcess
    processes: dict[str, Process]
    faults: Path
    ids: list[str] = field(default_factory=list)

    async def order(self, name: str, count: int, pay: str = "pm_card_visa") -> Sequence[TaskHandle[OrderResult]]:
        """Start so many orders at once."""
        ids = [f"{name}-{n}" for n in range(count)]
        self.ids += ids
        return [await self.client.start(order, one_line(pay=pay), id=id) for id in ids]

    def fail(self, *rules: dict[str, Any]) -> None:
        """Have these faults from now on, and no others."""
        new = self.faults.with_suffix(".new")
        new.write_text(json.dumps({"rules": rules}), encoding="utf-8")
        new.replace(self.faults)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shop(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    """The application after a day's work: orders completed and declined, one that nobody can undo, and a gateway that
    is down now."""
    prometheus.program("prometheus")
    folder = tmp_path_factory.mktemp("shop")
    mailbox = MailboxProcess(folder / "mailbox")
    mailbox.start()
    try:
        with running(Sandbox(folder / "gateway")) as gateway:
            async with (
                dev_server(app.plugin()) as environment,
                httpx.AsyncClient(trust_env=False, timeout=10) as probes,
            ):
                fleet = Fleet(environment.client.service_client.config.target_host, folder, probes)
                try:
                    processes = await _processes(fleet, folder, gateway, mailbox)
                    with prometheus.running(_scraping(folder, processes), folder) as reader:
                        server = environment.client
                        shop = Shop(Client(server), server, reader, gateway, mailbox, processes, folder / "faults.json")
                        await _work(shop)
                        yield shop
                finally:
                    for process in fleet.running:
                        process.popen.kill()
                        process.popen.wait()
    finally:
        mailbox.stop()


async def _processes(fleet: Fleet, folder: Path, gateway: Sandbox, mailbox: MailboxProcess) -> dict[str, Process]:
    settings = {
        **{name: text.format(dir=folder) for name, text in app.embedded.items()},
        "SAGAMESH_APP": "mesh_workers:app",
        "SAGAMESH_FAULTS": str(folder / "faults.json"),
        "SAGAMESH_HEALTH_INTERVAL": "5",
        "SAGAMESH_METRICS_INTERVAL": "2",
        "SAGAMESH_PAYMENT_URL": gateway.url,
        "SAGAMESH_PAYMENT_KEY": API_KEY,
        "SAGAMESH_MAIL_HOST": "127.0.0.1",
        "SAGAMESH_MAIL_PORT": str(mailbox.port),
        "SAGAMESH_MAIL_TLS": "none",
    }
    processes = {
        # So few slots that one of them cannot do all the work.
        "payment-0": fleet.start("payment", SAGAMESH_SLOTS="2", **settings),
        "payment-1": fleet.start("payment", SAGAMESH_SLOTS="2", **settings),
        "others-0": fleet.start("accounts", "inventory", "notification", **settings),
        "orders-0": fleet.start("orders", **settings),
        "orders-1": fleet.start("orders", **settings),
    }
    async with asyncio.timeout(START):
        for process in processes.values():
            while (await process.get("/readyz"))[0] != httpx.codes.OK:
                assert process.popen.poll() is None, process.log
                await asyncio.sleep(0.05)
    return processes


def _scraping(folder: Path, processes: dict[str, Process]) -> dict[str, Any]:
    configuration: dict[str, Any] = yaml.safe_load(SCRAPE_CONFIGURATION.read_text(encoding="utf-8"))
    configuration["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s"}
    del configuration["rule_files"], configuration["alerting"]  # nobody is to be told
    workers = folder / "workers"
    workers.mkdir()
    for name, process in processes.items():
        labels = {"pool": name.partition("-")[0], "namespace": NAMESPACE}
        entry = {"labels": labels, "targets": [f"127.0.0.1:{process.port}"]}
        (workers / f"{name}.yml").write_text(yaml.safe_dump([entry]), encoding="utf-8")
    return configuration


async def _work(shop: Shop) -> None:
    """All that a panel may want to show."""
    shop.fail({"capability": "payment.charge", "delay": 0.2})
    for wave in range(2):
        good = await shop.order(f"metrics-good-{wave}", COMPLETED // 2)
        await asyncio.gather(*(handle.result() for handle in good))
        # The engine's series begin with their first value. What they have at their first scrape is no increase.
        done = f'sum(temporal_workflow_completed{{workflow_type="Order"}}) == {(wave + 1) * COMPLETED // 2}'
        await asyncio.to_thread(shop.prometheus.becomes, done)
    declined = await shop.order("metrics-declined", DECLINED, pay="pm_card_chargeDeclined")
    ended = await asyncio.gather(*(handle.result() for handle in declined), return_exceptions=True)
    assert all(isinstance(error, Exception) for error in ended)

    shop.fail(
        *({"capability": name, "error": "Broken", "final": True} for name in ("inventory.confirm", "payment.refund"))
    )
    await shop.order("metrics-stuck", 1)
    await asyncio.to_thread(shop.prometheus.becomes, 'max(sagamesh_tasks_need_operator{task_type="Order"}) == 1')

    shop.fail({"capability": "payment.charge", "error": "Outage"})
    await shop.order("metrics-waiting", 16)
    await asyncio.to_thread(shop.prometheus.becomes, "max by (agent, breaker) (sagamesh_breaker_open) == 1")
