"""What gateways do on bad days: answers lost, late, refused or never given. The gateway's own books are the judge."""

from __future__ import annotations

import socket
from datetime import timedelta

import pytest
from pydantic import SecretStr

from mesh_activities.payment import Payments
from mesh_activities.payment_verdict import GatewayDenied
from mesh_agents.payment import Declined, Refunded
from sagamesh import RetryLater
from tests.support.attempts import AsCall
from tests.support.payment_gateways import API_KEY, ChargeOf, OpenPayments, Persistence, Sandbox, Till

pytestmark = pytest.mark.asyncio


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
        assert await till.refund(charge) == Refunded(payment_id=sandbox.only(key).id)
    assert sandbox.only(key).state == "canceled"


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
        "payment_id": sandbox.only(key).id,
    }
    assert told == [(details,), (details,)]


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
