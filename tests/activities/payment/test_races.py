"""Answers that come too late, never, or to somebody else first. The gateway's own books are the judge."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta

import httpx
import pytest

from mesh_agents.payment import Charge, PaymentCalledOff, Refunded
from sagamesh import RetryLater
from tests.support.attempts import AsCall
from tests.support.payment_gateways import ChargeOf, OpenPayments, Persistence, Sandbox, Till

pytestmark = pytest.mark.asyncio

# Where a test waits for an answer that never comes. A good one that takes longer on a busy machine is asked for again.
SHORT = timedelta(seconds=0.5)


async def time_out(till: Till, sandbox: Sandbox, charge: Charge, key: str) -> None:
    """Charge until an attempt has announced the payment and waited in vain for its confirm."""
    while not sandbox.payments(key):
        with pytest.raises(RetryLater):
            await till.charge(charge)


async def announced(sandbox: Sandbox, key: str) -> None:
    """Wait until the gateway knows of the payment."""
    while not sandbox.payments(key):  # noqa: ASYNC110
        await asyncio.sleep(0.02)


async def confirm_by_hand(client: httpx.AsyncClient, payment_id: str) -> None:
    """Charge a good card at once, as another attempt may."""
    path = f"/v1/payment_intents/{payment_id}/confirm"
    (await client.post(path, data={"payment_method": "pm_card_visa"})).raise_for_status()


@pytest.mark.parametrize("fault", ["answer_lost", "fail_3", "rate_limited_7", "slow_20ms"])
async def test_an_unconfirmed_payment_is_cancelled_in_the_end(
    sandbox: Sandbox,
    open_payments: OpenPayments,
    as_call: AsCall,
    charge_of: ChargeOf,
    task_id: str,
    key: str,
    persist: Persistence,
    fault: str,
) -> None:
    charge = charge_of(f"pm_sandbox_cancel_{fault}")
    async with open_payments(sandbox, patience=SHORT) as payments:
        till = Till(payments, as_call, task_id)
        await time_out(till, sandbox, charge, key)
        refunded = await persist(lambda: till.refund(charge))
        payment = sandbox.only(key)
        assert refunded == Refunded(payment_id=payment.id)
        assert await persist(lambda: till.refund(charge)) == refunded
    assert (payment.state, payment.charges) == ("canceled", 0)
    assert (timedelta(seconds=7) in persist.delays) == (fault == "rate_limited_7")


async def test_a_charge_that_is_never_answered_and_then_undone_takes_nothing(
    sandbox: Sandbox,
    open_payments: OpenPayments,
    as_call: AsCall,
    charge_of: ChargeOf,
    task_id: str,
    key: str,
    persist: Persistence,
) -> None:
    charge = charge_of("pm_sandbox_timeout")
    async with open_payments(sandbox, patience=SHORT) as payments:
        till = Till(payments, as_call, task_id)
        await time_out(till, sandbox, charge, key)
        with pytest.raises(RetryLater, match=r"not done within 0\.5 s"):  # and again, as the engine retries
            await till.charge(charge)
        refunded = await persist(lambda: till.refund(charge))
        with pytest.raises(PaymentCalledOff):
            await persist(lambda: till.charge(charge))
    payment = sandbox.only(key)
    assert refunded == Refunded(payment_id=payment.id)
    assert (payment.state, payment.charges) == ("canceled", 0)


async def test_a_charge_that_would_land_after_its_undo_never_lands(
    sandbox: Sandbox,
    open_payments: OpenPayments,
    as_call: AsCall,
    charge_of: ChargeOf,
    task_id: str,
    key: str,
    persist: Persistence,
) -> None:
    charge = charge_of("pm_sandbox_late_1")
    async with open_payments(sandbox, patience=SHORT) as payments:
        till = Till(payments, as_call, task_id)
        await time_out(till, sandbox, charge, key)
        refunded = await persist(lambda: till.refund(charge))
        await asyncio.sleep(1.5)  # past the moment at which it would have landed
        payment = sandbox.only(key)
        # On a machine so busy that the charge landed before the undo, the money was given back.
        assert payment.net == 0
        assert bool(refunded.refund_id) == (payment.charges == 1)
        with pytest.raises(PaymentCalledOff):
            await persist(lambda: till.charge(charge))


async def test_a_charge_that_landed_late_is_found_by_the_next_attempt(
    sandbox: Sandbox,
    open_payments: OpenPayments,
    as_call: AsCall,
    charge_of: ChargeOf,
    task_id: str,
    key: str,
    persist: Persistence,
) -> None:
    charge = charge_of("pm_sandbox_late_0")
    async with open_payments(sandbox, patience=SHORT) as payments:
        till = Till(payments, as_call, task_id)
        await time_out(till, sandbox, charge, key)
        receipt = await persist(lambda: till.charge(charge))
    payment = sandbox.only(key)
    assert (payment.id, payment.charges, payment.net) == (receipt.payment_id, 1, 1250)


async def test_a_charge_that_landed_late_is_given_back_by_its_undo(
    sandbox: Sandbox,
    open_payments: OpenPayments,
    as_call: AsCall,
    charge_of: ChargeOf,
    task_id: str,
    key: str,
    persist: Persistence,
) -> None:
    charge = charge_of("pm_sandbox_late_0")
    async with open_payments(sandbox, patience=SHORT) as payments:
        till = Till(payments, as_call, task_id)
        await time_out(till, sandbox, charge, key)
        while not sandbox.only(key).charges:
            with suppress(RetryLater):
                await till.charge(charge)
        refunded = await persist(lambda: till.refund(charge))
    payment = sandbox.only(key)
    assert refunded.refund_id
    assert (payment.charges, payment.charged, payment.refunded) == (1, 1250, 1250)


async def test_a_payment_in_processing_is_waited_for_by_charge_and_undo(
    sandbox: Sandbox,
    open_payments: OpenPayments,
    as_call: AsCall,
    charge_of: ChargeOf,
    task_id: str,
    key: str,
    persist: Persistence,
) -> None:
    charge = charge_of("pm_sandbox_processing_1")
    async with open_payments(sandbox) as payments:
        till = Till(payments, as_call, task_id)
        with pytest.raises(RetryLater, match="processed"):
            await till.charge(charge)
        refunded = await persist(lambda: till.refund(charge))
    assert persist.delays
    payment = sandbox.only(key)
    assert refunded.refund_id
    assert (payment.charges, payment.charged, payment.refunded) == (1, 1250, 1250)


async def test_a_payment_cancelled_at_the_gateway_is_called_off(
    sandbox: Sandbox,
    open_payments: OpenPayments,
    as_call: AsCall,
    charge_of: ChargeOf,
    task_id: str,
    key: str,
    persist: Persistence,
) -> None:
    charge = charge_of("pm_sandbox_timeout")
    async with open_payments(sandbox, patience=SHORT) as payments, sandbox.client() as client:
        till = Till(payments, as_call, task_id)
        await time_out(till, sandbox, charge, key)
        (await client.post(f"/v1/payment_intents/{sandbox.only(key).id}/cancel")).raise_for_status()
        with pytest.raises(PaymentCalledOff):
            await persist(lambda: till.charge(charge))


async def test_a_confirm_that_comes_second_finds_the_payment_made(
    sandbox: Sandbox, open_payments: OpenPayments, as_call: AsCall, charge_of: ChargeOf, task_id: str, key: str
) -> None:
    async with open_payments(sandbox) as payments, sandbox.client() as client:
        charging = asyncio.ensure_future(Till(payments, as_call, task_id).charge(charge_of("pm_sandbox_slow_2")))
        await announced(sandbox, key)
        await confirm_by_hand(client, sandbox.only(key).id)
        receipt = await charging
    payment = sandbox.only(key)
    assert (payment.id, payment.charges, payment.net) == (receipt.payment_id, 1, 1250)


async def test_a_cancel_that_comes_second_gives_the_money_back(
    sandbox: Sandbox, open_payments: OpenPayments, as_call: AsCall, charge_of: ChargeOf, task_id: str, key: str
) -> None:
    charge = charge_of("pm_sandbox_cancel_slow_2")
    async with open_payments(sandbox, patience=SHORT) as payments:
        await time_out(Till(payments, as_call, task_id), sandbox, charge, key)
    async with open_payments(sandbox) as payments, sandbox.client() as client:
        undoing = asyncio.ensure_future(Till(payments, as_call, task_id).refund(charge))
        await asyncio.sleep(0.5)  # for the cancel to be on its way
        await confirm_by_hand(client, sandbox.only(key).id)
        refunded = await undoing
    payment = sandbox.only(key)
    assert refunded.refund_id
    assert (payment.charges, payment.charged, payment.refunded) == (1, 1250, 1250)
