"""kill -9 of the worker, and of the gateway, at the moments that hurt."""

from __future__ import annotations

import asyncio
import random
import signal
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Protocol

import pytest

from mesh_agents.payment import Charge
from tests.support.attempts import AsCall
from tests.support.payment_gateways import (
    API_KEY,
    ChargeOf,
    OpenPayments,
    Payment,
    Persistence,
    Sandbox,
    Till,
    running,
)

pytestmark = pytest.mark.asyncio

# One attempt of the step, in a worker of its own.
WORKER = """
import asyncio, sys
from dataclasses import replace
from pydantic import SecretStr
from temporalio.testing import ActivityEnvironment
from mesh_activities.payment import Payments
from mesh_agents.payment import Charge

async def main(database_url, gateway_url, api_key, task_id, charge):
    environment = ActivityEnvironment()
    environment.info = replace(environment.info, workflow_id=task_id, activity_id="payment.charge")
    async with Payments.open(database_url, gateway_url, SecretStr(api_key)) as payments:
        await environment.run(payments.charge, Charge.model_validate_json(charge))

asyncio.run(main(*sys.argv[1:]))
"""


class KillWorker(Protocol):
    async def __call__(self, charge: Charge, when: Callable[[Payment], bool]) -> None: ...


@pytest.fixture
def kill_worker(sandbox: Sandbox, sqlite_url: str, task_id: str, key: str) -> KillWorker:
    """Starts a worker on the charge, and kills it as soon as its payment in the gateway's books is so."""

    async def started(charge: Charge, when: Callable[[Payment], bool]) -> None:
        arguments = [sqlite_url, sandbox.url, API_KEY, task_id, charge.model_dump_json()]
        worker = await asyncio.create_subprocess_exec(sys.executable, "-c", WORKER, *arguments)
        while not any(map(when, sandbox.payments(key))):
            assert worker.returncode is None
            await asyncio.sleep(0.02)
        worker.kill()
        assert await worker.wait() == -signal.SIGKILL

    return started


def is_announced(payment: Payment) -> bool:
    return payment.state == "requires_confirmation"


def is_charged(payment: Payment) -> bool:
    return payment.charges > 0


@pytest.mark.parametrize(
    ("card", "moment"),
    [
        pytest.param("pm_sandbox_answer_slow_600", is_charged, id="charged, before it knew"),
        pytest.param("pm_sandbox_create_answer_slow_600", is_announced, id="announced, before the id was written down"),
        pytest.param("pm_sandbox_slow_2", is_announced, id="while the gateway was charging"),
    ],
)
async def test_a_worker_that_is_killed_in_the_middle_has_charged_once(
    sandbox: Sandbox,
    kill_worker: KillWorker,
    open_payments: OpenPayments,
    as_call: AsCall,
    charge_of: ChargeOf,
    task_id: str,
    key: str,
    persist: Persistence,
    card: str,
    moment: Callable[[Payment], bool],
) -> None:
    charge = charge_of(card)
    await kill_worker(charge, moment)

    async with open_payments(sandbox) as payments:
        receipt = await persist(lambda: Till(payments, as_call, task_id).charge(charge))
    (payment,) = sandbox.payments(key)
    assert (payment.id, payment.charges, payment.net) == (receipt.payment_id, 1, 1250)


async def test_a_worker_that_is_killed_after_charging_is_refunded_once(
    sandbox: Sandbox,
    kill_worker: KillWorker,
    open_payments: OpenPayments,
    as_call: AsCall,
    charge_of: ChargeOf,
    task_id: str,
    key: str,
    persist: Persistence,
) -> None:
    charge = charge_of("pm_sandbox_answer_slow_600")
    await kill_worker(charge, is_charged)

    async with open_payments(sandbox) as payments:
        refunded = await persist(lambda: Till(payments, as_call, task_id).refund(charge))
    (payment,) = sandbox.payments(key)
    assert refunded.refund_id
    assert (payment.charges, payment.charged, payment.refunded) == (1, 1250, 1250)


async def test_a_gateway_that_is_killed_again_and_again_charges_each_payment_once(
    tmp_path: Path, open_payments: OpenPayments, as_call: AsCall, charge_of: ChargeOf, task_id: str
) -> None:
    undone = set(range(0, 16, 4))

    with running(Sandbox(tmp_path / "gateway")) as gateway:
        async with open_payments(gateway, patience=timedelta(seconds=5)) as payments:

            async def order(number: int) -> str:
                till = Till(payments, as_call, f"{task_id}-{number}")
                charge: Charge = charge_of("pm_sandbox_slow_50ms")
                receipt = await Persistence()(lambda: till.charge(charge))
                if number in undone:
                    await Persistence()(lambda: till.refund(charge))
                return receipt.payment_id

            orders = [asyncio.ensure_future(order(number)) for number in range(16)]
            for _ in range(3):
                await asyncio.sleep(random.uniform(0.05, 0.3))
                gateway.stop(signal.SIGKILL)
                gateway.start_again()
            receipts = await asyncio.gather(*orders)

        books = {payment.metadata["key"]: payment for payment in gateway.all_payments() if payment.charges}
    assert {key: payment.id for key, payment in books.items()} == {
        f"{task_id}-{number}/payment.charge": receipt for number, receipt in enumerate(receipts)
    }
    assert all(payment.charges == 1 for payment in books.values())
    assert {key for key, payment in books.items() if not payment.net} == {
        f"{task_id}-{number}/payment.charge" for number in undone
    }
    assert all(payment.refunded in (0, payment.charged) for payment in books.values())
