"""What a real Prometheus knows of several worker processes."""

from __future__ import annotations

import re

import httpx
import psutil
import pytest

from mesh_agents.payment import payment
from mesh_workers import app
from sagamesh.stack.ports import listens
from tests.metrics.conftest import COMPLETED, DECLINED, SCRAPE_CONFIGURATION, Shop
from tests.support.prometheus import promtool

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def test_every_process_is_read(shop: Shop) -> None:
    assert {sample.labels["pool"] for sample in shop.prometheus.becomes("up == 1")} == {"payment", "others", "orders"}
    assert shop.prometheus.query("up == 0") == []


def test_calls_add_up_over_the_processes_of_an_agent(shop: Shop) -> None:
    """What the processes counted is what their gateway and their mail server have seen."""
    charged = [entry for entry in shop.gateway.all_payments() if entry.charges]
    assert len(charged) == COMPLETED + 1, "and the order that nobody could undo"
    ended = 'sum(agent_tasks_total{task_type="%s", status="%s"}) == %d'
    shop.prometheus.becomes(ended % ("payment.charge", "completed", len(charged)))
    shop.prometheus.becomes(ended % ("payment.charge", "declined", DECLINED))
    by_process = shop.prometheus.query('sum by (instance) (agent_tasks_total{task_type="payment.charge"})')
    assert len(by_process) == 2
    assert all(sample.value > 0 for sample in by_process), "one process did all the work: nothing was added up"

    mails = len(shop.mailbox.mails())
    assert mails == COMPLETED
    shop.prometheus.becomes(ended % ("notification.confirm_order", "completed", mails))
    # What came is what ended, and each that was really made was timed.
    shop.prometheus.becomes("sum(agent_messages_received_total) == sum(agent_tasks_total)")
    shop.prometheus.becomes('sum(agent_task_duration_seconds_count) == sum(agent_tasks_total{status!="refused"})')


def test_every_process_that_hosts_tasks_tells_the_same_of_the_mesh(shop: Shop) -> None:
    capabilities = {c.type for agent in app.mesh.agents for c in agent.capabilities.values()}
    for name in capabilities:
        processes = 2 if name.startswith(f"{payment.name}.") else 1
        shop.prometheus.becomes(f'max(orchestrator_active_agents{{capability="{name}"}}) == {processes}')
    for metric, series in (("orchestrator_active_agents", len(capabilities)), ("orchestrator_queue_size", 1)):
        told = shop.prometheus.becomes(f"count by (pool) ({metric}) == {2 * series}")
        assert [sample.labels for sample in told] == [{"pool": "orders"}]
    shop.prometheus.becomes("max(orchestrator_queue_size) == sum(max by (queue) (sagamesh_queue_backlog))")
    shop.prometheus.becomes("max(sagamesh_mesh_reading_age_seconds) < 6")


def test_no_label_holds_an_id(shop: Shop) -> None:
    series = shop.prometheus.series('{__name__=~".+"}')
    values = {value for labels in series for value in labels.values()}
    assert len(series) > 500
    assert not [value for value in values if _UUID.search(value)], "a run's id"
    assert not [value for value in values if any(id in value for id in shop.ids)], "a task's id"
    assert not {"ada", "pm_card_visa"} & values, "a customer's id, or how they pay"
    words = {name for labels in series for name in labels}
    assert not [word for word in words if re.search("task_id|run_?id|workflow_id|customer|trace", word)]


def test_promtool_finds_fault_with_names_of_the_sdk_only(shop: Shop) -> None:
    for process in shop.processes.values():
        page = httpx.get(f"http://127.0.0.1:{process.port}/metrics", trust_env=False).text
        checked = promtool("check", "metrics", stdin=page)
        complaints = [line for line in checked.stderr.splitlines() if line]
        assert complaints, "promtool looks for nothing"
        assert not [line for line in complaints if not re.match(r'temporal_\w+ .*"_total" suffix$', line)]


def test_the_scrape_configuration() -> None:
    checked = promtool("check", "config", SCRAPE_CONFIGURATION)

    assert checked.returncode == 0, checked.stderr
    assert "SUCCESS" in checked.stdout


def test_a_worker_that_stops_is_active_no_more(shop: Shop) -> None:
    """At once: not when the server forgets that it polled. These two come last, as they break what they find."""
    shop.processes["payment-1"].terminate()

    shop.prometheus.becomes('max(orchestrator_active_agents{capability="payment.charge"}) == 1')


def test_figures_of_a_server_that_does_not_answer_vanish(shop: Shop) -> None:
    port = int(shop.server.service_client.config.target_host.rpartition(":")[2])
    [server] = [child for child in psutil.Process().children(recursive=True) if listens(child.pid, port)]
    server.suspend()
    try:
        shop.prometheus.becomes("absent(orchestrator_queue_size) and absent(sagamesh_tasks_open)")
        shop.prometheus.becomes("min(sagamesh_mesh_reading_age_seconds) > 6")
        assert shop.prometheus.query("sum(agent_tasks_total)"), "what a process knows itself stays"
    finally:
        server.resume()
    shop.prometheus.becomes("max(orchestrator_queue_size) >= 0 and max(sagamesh_mesh_reading_age_seconds) < 6")
