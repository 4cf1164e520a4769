"""A real Prometheus and a real Alertmanager tell a webhook, a mail server and a log of alerts, each once."""

from __future__ import annotations

import asyncio
import email
import email.policy
import subprocess
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from aiosmtpd.smtp import Envelope

from tests.alerts.conftest import groups, write
from tests.alerts.receivers import Exchange, exchange
from tests.support.charts import ROOT, Chart
from tests.support.mail_servers import Certificate, Desk, desk_server
from tests.support.prometheus import Prometheus, alertmanager, running

CONFIGURATION = ROOT / "deploy" / "alerts" / "alertmanager.yml"
PATIENCE = 60.0

POLLERS = 'orchestrator_active_agents{capability="payment.charge"}'
OPERATOR = 'sagamesh_tasks_need_operator{task_type="Order"}'
STOCK = 'system_cpu_usage{agent_id="stock"}'
PAYMENT = 'system_cpu_usage{agent_id="payment"}'
BAD = {POLLERS: 0.0, OPERATOR: 2.0, STOCK: 96.0}
CRITICAL, ERROR, WARNING, INFO = "AgentWithoutPollers", "TaskNeedsOperator", "HighCpuUsage", "VersionsSideBySide"
MUTED = 'ALERTS{alertname="HighCpuUsage",agent="payment",alertstate="firing"}'
RESEND = {"rules.alert.resend-delay": "2s"}
"""What is not sent again within four times that, Alertmanager takes for over."""
GOOD = {POLLERS: 2.0, OPERATOR: 0.0, STOCK: 10.0, PAYMENT: 10.0}


def rules(chart: Chart) -> dict[str, Any]:
    """One of the chart's for each severity. A scrape that this machine is too busy for is no end of it."""
    (group,) = groups(chart, values={"monitoring": {"rules": {"enabled": True}}})["groups"]
    wanted = [rule for rule in group["rules"] if rule["alert"] in (CRITICAL, ERROR, WARNING, INFO)]
    for rule in wanted:
        rule.pop("for", None)
        rule["keep_firing_for"] = "3s"
    assert len({rule["labels"]["severity"] for rule in wanted}) == len(wanted) == 4
    return {"groups": [{**group, "rules": wanted}]}


def receiving(told: Exchange, mail: int, folder: Path, certificate: Certificate) -> dict[str, Any]:
    """The project's configuration, with addresses and times of the test's."""
    found: dict[str, Any] = yaml.safe_load(CONFIGURATION.read_text(encoding="utf-8"))
    found["global"]["smtp_smarthost"] = f"127.0.0.1:{mail}"
    (folder / "password").write_text("secret", encoding="utf-8")
    found["global"]["smtp_auth_password_file"] = str(folder / "password")
    found["route"].update(group_wait="0s", group_interval="100ms")
    for receiver in found["receivers"]:
        for webhook in receiver.get("webhook_configs", []):
            webhook["url"] = f"http://{told.address}/{receiver['name']}"
        for each in receiver.get("email_configs", []):
            each["tls_config"] = {"ca_file": str(certificate.certificate)}
    return found


def scraping(told: Exchange, manager: str, file: Path) -> dict[str, Any]:
    """Two pods that export the same, of two versions."""
    pods = [
        {
            "targets": [told.address],
            "labels": {"namespace": "shop", "pool": "stock", "pod": f"stock-{build}", "build_id": build},
        }
        for build in ("v1", "v2")
    ]
    return {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "200ms"},
        "rule_files": [str(file)],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [manager.removeprefix("http://")]}]}]},
        "scrape_configs": [{"job_name": "sagamesh", "static_configs": pods}],
    }


@dataclass
class Told:
    """All who may be told, and what they were told so far."""

    web: Exchange
    desk: Desk

    def counts(self) -> dict[str, int]:
        return {
            "on-call": len(self.web.heard("/on-call")),
            "log": len(self.web.heard("/log")),
            "mail": len(self.desk.mails),
        }

    async def until(self, **least: int) -> None:
        """Wait until so many alerts were told each."""
        await _until(
            lambda: all(self.counts()[name.replace("_", "-")] >= count for name, count in least.items()), self.counts
        )


async def _until(true: Callable[[], object], what: Callable[[], object]) -> None:
    try:
        async with asyncio.timeout(PATIENCE):
            while not await asyncio.to_thread(true):  # noqa: ASYNC110  other processes make it true
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(what()) from None


async def _sent_again(prometheus: Prometheus) -> None:
    """Wait until Prometheus has told Alertmanager of five alerts more: all that there are."""

    def count() -> float:
        page = httpx.get(f"{prometheus.url}/metrics", trust_env=False).text
        lines = [line for line in page.splitlines() if line.startswith("prometheus_notifications_sent_total")]
        return sum(float(line.split()[-1]) for line in lines)

    before = await asyncio.to_thread(count)
    await _until(lambda: count() >= before + 5, count)


def _read(mail: Envelope) -> EmailMessage:
    assert isinstance(mail.content, bytes)
    found = email.message_from_bytes(mail.content, policy=email.policy.default)
    assert isinstance(found, EmailMessage)
    return found


@pytest.mark.parametrize(
    ("severity", "receivers"),
    [("critical", "log,on-call,mail"), ("error", "log,mail"), ("warning", "log,mail"), ("info", "log")],
)
def test_each_severity_is_told_to_whom_the_page_says(severity: str, receivers: str) -> None:
    asked = ["amtool", "config", "routes", "test", f"--config.file={CONFIGURATION}", f"severity={severity}"]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, receivers), done.stderr


@pytest.mark.asyncio
async def test_each_alert_is_told_once_when_it_begins_and_once_when_it_is_over(chart: Chart, tmp_path: Path) -> None:
    certificate = Certificate.make(tmp_path, "IP:127.0.0.1")
    desk = Desk(login=("sagamesh@example.org", "secret"))
    file = write(await asyncio.to_thread(rules, chart), tmp_path)
    # What aiosmtpd asks at LOGIN, Alertmanager does not understand.
    server = desk_server(desk, tls="starttls", certificate=certificate, without=["LOGIN"])
    with exchange() as web:
        told = Told(web, desk)
        async with server as port:
            with (
                alertmanager(receiving(web, port, tmp_path, certificate), tmp_path) as manager,
                running(scraping(web, manager, file), tmp_path, **RESEND) as prometheus,
            ):
                web.figures = {**GOOD, **BAD}
                await told.until(on_call=1, log=4, mail=3)
                # The critical alert about payment mutes what else there is about payment.
                web.figures[PAYMENT] = 96.0
                await _until(lambda: prometheus.query(MUTED), told.counts)
                await _sent_again(prometheus)
                assert told.counts() == {"on-call": 1, "log": 4, "mail": 3}

                web.figures[PAYMENT] = 10.0
                await _until(lambda: not prometheus.query(MUTED), told.counts)
                mended = datetime.now(UTC)
                web.figures = dict(GOOD)
                await told.until(on_call=2, log=7, mail=6)
                await _sent_again(prometheus)

    assert web.heard("/on-call") == [(CRITICAL, "firing"), (CRITICAL, "resolved")]
    assert Counter(web.heard("/log")) == Counter(
        {
            **{(name, "firing"): 1 for name in (CRITICAL, ERROR, WARNING, INFO)},
            **{(name, "resolved"): 1 for name in (CRITICAL, ERROR, WARNING)},
        }
    )
    mails = {str(mail["Subject"]): mail for mail in map(_read, desk.mails)}
    said = ["Nobody takes calls of payment", "Order: a compensation waits for a person", "stock is short of CPU"]
    begun = [f"{severity}: {summary}" for severity, summary in zip(("critical", "error", "warning"), said, strict=True)]
    assert len(desk.mails) == 6
    assert set(mails) == {*begun, *(f"Over: {summary}" for summary in said)}

    for over in (each for each in web.told["/log"] if each["status"] == "resolved"):
        assert datetime.fromisoformat(over["startsAt"]) < mended < datetime.fromisoformat(over["endsAt"])
    (over,) = [
        each for each in web.told["/log"] if (each["labels"]["alertname"], each["status"]) == (ERROR, "resolved")
    ]
    since, until = (datetime.fromisoformat(over[name]).astimezone(UTC) for name in ("startsAt", "endsAt"))
    part = mails[f"Over: {said[1]}"].get_body(("plain",))
    assert part is not None
    body = part.get_content().replace("\r\n", "\n")
    assert f"Since: {since:%Y-%m-%d %H:%M:%S} UTC\n" in body
    assert f"Over: {until:%Y-%m-%d %H:%M:%S} UTC\n" in body
    assert "2 tasks of type Order could not be undone" in body
    assert "/docs/runbook.md#needs_operator-a-compensation-has-failed" in body
    assert set(desk.logins) == {"PLAIN"}


@pytest.mark.asyncio
async def test_what_is_down_mutes_the_rest_about_it_and_nothing_else(tmp_path: Path) -> None:
    certificate = Certificate.make(tmp_path, "IP:127.0.0.1")
    down = {"alertname": "AgentDown", "severity": "critical", "agent": "payment"}
    muted = [
        {"alertname": CRITICAL, "severity": "critical", "agent": "payment"},
        {"alertname": WARNING, "severity": "warning", "agent": "payment"},
    ]
    others = [
        {"alertname": "AgentDown", "severity": "critical", "agent": "stock"},
        {"alertname": WARNING, "severity": "warning", "agent": "accounts"},
        {"alertname": WARNING, "severity": "warning", "agent": "payment", "namespace": "another"},
        # Two that are about no agent are not about the same one.
        {"alertname": "Mine", "severity": "critical"},
        {"alertname": ERROR, "severity": "error"},
    ]
    with exchange() as web, alertmanager(receiving(web, 9, tmp_path, certificate), tmp_path) as manager:
        alerts = f"{manager}/api/v2/alerts"
        async with httpx.AsyncClient(trust_env=False, timeout=30) as asked:

            async def tell(*labels: dict[str, str]) -> None:
                sent = [{"labels": {"namespace": "shop", **each}} for each in labels]
                (await asked.post(alerts, json=sent)).raise_for_status()

            await tell(down)
            await _until(lambda: web.heard("/on-call"), lambda: web.told)
            await tell(*muted, *others)
            await _until(lambda: len(web.heard("/log")) == 1 + len(others), lambda: web.told)
            seen = (await asked.get(alerts)).json()
    states = {(each["labels"]["alertname"], each["labels"].get("agent"), each["status"]["state"]) for each in seen}
    assert {state for state in states if state[2] == "suppressed"} == {
        (each["alertname"], each["agent"], "suppressed") for each in muted
    }
    assert len(seen) == 1 + len(muted) + len(others)
