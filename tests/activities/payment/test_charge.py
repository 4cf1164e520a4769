"""Charging: once, typed, in minor units; on SQLite and PostgreSQL, against the sandbox and localstripe."""

from __future__ import annotations

import asyncio

import pytest
from pydantic import SecretStr

from mesh_activities.key import KeyReused
from mesh_activities.payment import Payments
from mesh_agents.payment import Declined, PaymentRefused
from tests.support.attempts import AsCall
from tests.support.payment_gateways import API_KEY, ChargeOf, Persistence, Server, Till

pytestmark = pytest.mark.asyncio


async def test_a_charge_takes_the_money_and_says_what_it_is_for(
    till: Till, gateway: Server, charge_of: ChargeOf, task_id: str, key: str
) -> None:
    receipt = await till.charge(charge_of())

    (payment,) = gateway.payments(key)
    assert receipt.payment_id == payment.id
    assert receipt.money == charge_of().money
    assert (payment.state, payment.amount, payment.currency) == ("succeeded", 1250, "eur")
    assert (payment.charges, payment.charged, payment.refunded) == (1, 1250, 0)
    assert payment.metadata == {"key": key, "task_id": task_id, "customer": "ada", "description": "2 lamps"}


async def test_a_repeated_charge_gives_the_same_receipt_and_takes_nothing(
    till: Till, gateway: Server, charge_of: ChargeOf, key: str
) -> None:
    receipts = [await till.charge(charge_of()) for _ in range(3)]

    assert receipts[0] == receipts[1] == receipts[2]
    assert [payment.charges for payment in gateway.payments(key)] == [1]


async def test_another_worker_gives_the_same_receipt(
    till: Till, gateway: Server, charge_of: ChargeOf, database_url: str, as_call: AsCall, task_id: str, key: str
) -> None:
    receipt = await till.charge(charge_of())

    async with Payments.open(database_url, gateway.url, SecretStr(API_KEY)) as other:
        assert await Till(other, as_call, task_id).charge(charge_of()) == receipt
    assert [payment.charges for payment in gateway.payments(key)] == [1]


async def test_two_attempts_at_once_charge_once(
    till: Till, gateway: Server, charge_of: ChargeOf, key: str, persist: Persistence
) -> None:
    receipts = await asyncio.gather(*(persist(lambda: till.charge(charge_of())) for _ in range(5)))

    assert len(set(receipts)) == 1
    assert sum(payment.charges for payment in gateway.payments(key)) == 1


@pytest.mark.parametrize(
    ("amount", "currency", "minor"), [("1200", "JPY", 1200), ("0.57", "USD", 57), ("123456.78", "CHF", 12345678)]
)
async def test_amounts_are_sent_in_minor_units(
    till: Till, gateway: Server, charge_of: ChargeOf, key: str, amount: str, currency: str, minor: int
) -> None:
    await till.charge(charge_of(amount=amount, currency=currency))

    (payment,) = gateway.payments(key)
    assert (payment.charged, payment.currency) == (minor, currency.lower())


async def test_a_declined_card_is_a_final_answer(till: Till, gateway: Server, charge_of: ChargeOf, key: str) -> None:
    for _ in range(2):  # the second attempt reads it off the intent, as one does whose predecessor's answer was lost
        with pytest.raises(Declined) as caught:
            await till.charge(charge_of("pm_card_chargeCustomerFail"))
        (payment,) = gateway.payments(key)
        assert caught.value.non_retryable
        assert caught.value.message == "Your card was declined."
        (details,) = caught.value.details
        assert details["code"] == "card_declined"
        assert details["payment_id"] == payment.id
    assert (payment.charges, payment.charged) == (0, 0)


async def test_an_unknown_payment_method_is_refused(till: Till, gateway: Server, charge_of: ChargeOf, key: str) -> None:
    with pytest.raises(PaymentRefused) as caught:
        await till.charge(charge_of("pm_card_none"))

    assert caught.value.non_retryable
    (details,) = caught.value.details
    assert details["status"] in (400, 404)
    assert gateway.payments(key) == []


async def test_another_charge_under_the_same_key_is_refused(
    till: Till, gateway: Server, charge_of: ChargeOf, key: str
) -> None:
    await till.charge(charge_of())

    for act in (till.charge, till.refund):
        with pytest.raises(KeyReused):
            await act(charge_of(amount="99.00"))
    (payment,) = gateway.payments(key)
    assert payment.net == 1250


async def test_a_long_description_is_cut_to_what_the_gateway_takes(
    till: Till, gateway: Server, charge_of: ChargeOf, key: str
) -> None:
    await till.charge(charge_of().model_copy(update={"description": "lamp " * 500}))

    (payment,) = gateway.payments(key)
    assert len(payment.metadata["description"]) == 500
