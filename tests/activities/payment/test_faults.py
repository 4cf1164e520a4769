"""What gateways do on bad days: answers lost, late, refused or never given. The gateway's own books are the judge."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from datetime import timedelta

import pytest
from payment_gateways import API_KEY, AsCall, ChargeOf, OpenPayments, Payment, Persistence, Sandbox, Till
from pydantic import SecretStr

from mesh_activities.payment import Payments
from mesh_activities.payment_verdict import GatewayDenied
from mesh_agents.payment import Charge, Declined, PaymentCalledOff, Refunded
from sagamesh import RetryLater

pytestmark = pytest.mark.asyncio

# Where a test waits for an answer that never comes. A good one that takes longer on a busy machine is asked for again.
SHORT = timedelta(seconds=0.5)


def only(sandbox: Sandbox, key: str) -> Payment:
    """The one payment for this effect."""
    (payment,) = sandbox.payments(key)
    return payment


async def time_out(till: Till, sandbox: Sandbox, charge: Charge, key: str) -> None:
    """Charge until an attempt has announced the payment and waited in vain for its confirm."""
    while not sandbox.payments(key):
        with pytest.raises(RetryLater):
            await till.charge(charge)


@pytest.mark.parametrize("operation", ["create_", "", "refund_"])
@pytest.mark.parametrize("fault", ["answer_lost", "fail_3", "rate_limited_7", "slow_20ms", "answer_slow_20ms"])
@pytest.mark.parametrize("keys", ["kept", "forgotten"])
async def test_charged_once_and_given_back_once(
    sandbox: Sandbox,
    forgetful_sandbox: Sandbox,
    open_payments: OpenPayments,
    as_call: AsCall,
    charge_of: ChargeOf,
    task_id: str,
    key: str,
    persist: Persistence,
    operation: str,
    fault: str,
    keys: str,
) -> None:
    """Also where the gateway forgets its idempotency keys at once, as others do after a day."""
    server = sandbox if keys == "kept" else forgetful_sandbox
    charge = charge_of(f"pm_sandbox_{operation}{fault}")
    async with open_payments(server) as payments:
        till = Till(payments, as_call, task_id)
        receipt = await persist(lambda: till.charge(charge))
        assert await persist(lambda: till.charge(charge)) == receipt
        announced = server.payments(key)
        charged = [payment for payment in announced if payment.charges]
        assert [(payment.id, payment.charges, payment.net) for payment in charged] == [(receipt.payment_id, 1, 1250)]
        # A repeated request has the same key, so that a gateway that keeps them recognises it.
        assert len(announced) == (2 if (keys, operation, fault) == ("forgotten", "create_", "answer_lost") else 1)

        refunded = await persist(lambda: till.refund(charge))
        assert await persist(lambda: till.refund(charge)) == refunded
        assert refunded.payment_id == receipt.payment_id
        charged = [payment for payment in server.payments(key) if payment.charges]
        assert [(payment.charges, payment.charged, payment.refunded) for payment in charged] == [(1, 1250, 1250)]

    expected = {"answer_lost": [None], "fail_3": [None] * 3, "rate_limited_7": [timedelta(seconds=7)]}
    assert persist.delays == expected.get(fault, [])


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
        payment = only(sandbox, key)
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
        with pytest.raises(RetryLater):  # and again, as the engine retries
            await till.charge(charge)
        refunded = await persist(lambda: till.refund(charge))
        with pytest.raises(PaymentCalledOff):
            await persist(lambda: till.charge(charge))
    payment = only(sandbox, key)
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
        payment = only(sandbox, key)
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
    payment = only(sandbox, key)
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
        while not only(sandbox, key).charges:
            with suppress(RetryLater):
                await till.charge(charge)
        refunded = await persist(lambda: till.refund(charge))
    payment = only(sandbox, key)
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
    payment = only(sandbox, key)
    assert refunded.refund_id
    assert (payment.charges, payment.charged, payment.refunded) == (1, 1250, 1250)


async def test_a_card_that_wants_consent_is_declined_and_cancelled_by_the_undo(
    sandbox: Sandbox, open_payments: OpenPayments, as_call: AsCall, charge_of: ChargeOf, task_id: str, key: str
) -> None:
    charge = charge_of("pm_card_authenticationRequired")
    async with open_payments(sandbox) as payments:
        till = Till(payments, as_call, task_id)
        for _ in range(2):
            with pytest.raises(Declined) as caught:
                await till.charge(charge)
            assert caught.value.details[0]["decline_code"] == "authentication_required"
        assert await till.refund(charge) == Refunded(payment_id=only(sandbox, key).id)
    assert only(sandbox, key).state == "canceled"


async def test_why_a_card_was_declined_is_told_also_when_the_answer_was_lost(
    sandbox: Sandbox, open_payments: OpenPayments, as_call: AsCall, charge_of: ChargeOf, task_id: str, key: str
) -> None:
    charge = charge_of("pm_card_insufficientFunds")
    async with open_payments(sandbox) as payments:
        till = Till(payments, as_call, task_id)
        told = []
        for _ in range(2):
            with pytest.raises(Declined, match="insufficient funds") as caught:
                await till.charge(charge)
            told.append(caught.value.details)
    details = {
        "code": "card_declined",
        "decline_code": "insufficient_funds",
        "payment_id": only(sandbox, key).id,
    }
    assert told == [(details,), (details,)]


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
        (await client.post(f"/v1/payment_intents/{only(sandbox, key).id}/cancel")).raise_for_status()
        with pytest.raises(PaymentCalledOff):
            await persist(lambda: till.charge(charge))


async def test_a_gateway_that_is_not_there_is_tried_again(
    sqlite_url: str, as_call: AsCall, charge_of: ChargeOf, task_id: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    async with Payments.open(sqlite_url, f"http://127.0.0.1:{port}", SecretStr(API_KEY)) as payments:
        till = Till(payments, as_call, task_id)
        with pytest.raises(RetryLater, match="ConnectError") as caught:
            await till.charge(charge_of())
        assert not caught.value.non_retryable
        # Nothing is known at the gateway, so there is nothing to ask it.
        assert await till.refund(charge_of()) == Refunded()


async def test_a_key_that_the_gateway_does_not_take_is_a_final_answer_that_names_the_setting(
    sandbox: Sandbox, open_payments: OpenPayments, as_call: AsCall, charge_of: ChargeOf, task_id: str, key: str
) -> None:
    async with open_payments(sandbox, api_key="sk_live_NotForThisOne") as payments:
        with pytest.raises(GatewayDenied, match="SAGAMESH_PAYMENT_KEY") as caught:
            await Till(payments, as_call, task_id).charge(charge_of())
    assert caught.value.non_retryable
    assert caught.value.details == ({"status": 401, "setting": "SAGAMESH_PAYMENT_KEY"},)
    assert sandbox.payments(key) == []
