"""Undoing a charge: whatever has happened, the gateway keeps nothing, and gives back no more than it took."""

from __future__ import annotations

import asyncio

import pytest

from mesh_agents.payment import Declined, PaymentCalledOff, Refunded
from tests.support.payment_gateways import ChargeOf, Persistence, Server, Till

pytestmark = pytest.mark.asyncio


async def test_a_charge_is_given_back_once(till: Till, gateway: Server, charge_of: ChargeOf, key: str) -> None:
    receipt = await till.charge(charge_of())

    first = await till.refund(charge_of())
    assert first.payment_id == receipt.payment_id
    assert first.refund_id.startswith("re_")
    assert [await till.refund(charge_of()) for _ in range(2)] == [first, first]
    (payment,) = gateway.payments(key)
    assert (payment.charged, payment.refunded) == (1250, 1250)


async def test_a_charge_that_never_came_is_called_off(
    till: Till, gateway: Server, charge_of: ChargeOf, key: str
) -> None:
    assert await till.refund(charge_of()) == Refunded()
    assert await till.refund(charge_of()) == Refunded()

    with pytest.raises(PaymentCalledOff) as caught:
        await till.charge(charge_of())
    assert caught.value.details == ({"key": key},)
    assert gateway.payments(key) == []


async def test_a_charge_that_comes_again_after_its_undo_is_called_off(
    till: Till, gateway: Server, charge_of: ChargeOf, key: str
) -> None:
    await till.charge(charge_of())
    await till.refund(charge_of())

    with pytest.raises(PaymentCalledOff):
        await till.charge(charge_of())
    (payment,) = gateway.payments(key)
    assert (payment.charges, payment.net) == (1, 0)


async def test_a_declined_charge_is_cancelled(till: Till, gateway: Server, charge_of: ChargeOf, key: str) -> None:
    with pytest.raises(Declined):
        await till.charge(charge_of("pm_card_chargeCustomerFail"))

    (payment,) = gateway.payments(key)
    for _ in range(2):
        assert await till.refund(charge_of("pm_card_chargeCustomerFail")) == Refunded(payment_id=payment.id)
    (payment,) = gateway.payments(key)
    assert (payment.state, payment.charged, payment.refunded) == ("canceled", 0, 0)


async def test_only_the_rest_is_given_back_after_a_partial_refund_by_hand(
    till: Till, gateway: Server, charge_of: ChargeOf, key: str
) -> None:
    receipt = await till.charge(charge_of())
    by_hand = await gateway.give_back(receipt.payment_id, 250)

    refunded = await till.refund(charge_of())
    assert refunded.refund_id != by_hand
    assert await till.refund(charge_of()) == refunded
    (payment,) = gateway.payments(key)
    assert (payment.charged, payment.refunded) == (1250, 1250)


async def test_what_was_given_back_by_hand_is_not_given_back_again(
    till: Till, gateway: Server, charge_of: ChargeOf, key: str
) -> None:
    receipt = await till.charge(charge_of())
    by_hand = await gateway.give_back(receipt.payment_id, 1250)

    assert await till.refund(charge_of()) == Refunded(payment_id=receipt.payment_id, refund_id=by_hand)
    (payment,) = gateway.payments(key)
    assert (payment.charged, payment.refunded) == (1250, 1250)


@pytest.mark.parametrize("head_start", range(6))
async def test_a_charge_and_its_undo_at_once_leave_nothing_charged(
    till: Till, gateway: Server, charge_of: ChargeOf, key: str, persist: Persistence, head_start: int
) -> None:
    charging = asyncio.ensure_future(persist(lambda: till.charge(charge_of())))
    # From before the first step of the charge to after its last: its steps are about this long.
    await asyncio.sleep(head_start * 0.004)
    refunded = await persist(lambda: till.refund(charge_of()))
    (outcome,) = await asyncio.gather(charging, return_exceptions=True)

    payments = gateway.payments(key)
    assert sum(payment.net for payment in payments) == 0
    assert all(payment.state in ("succeeded", "canceled") for payment in payments)
    assert bool(refunded.refund_id) == any(payment.charged for payment in payments)
    if isinstance(outcome, BaseException):
        assert isinstance(outcome, PaymentCalledOff)
    else:
        assert outcome.payment_id == refunded.payment_id
