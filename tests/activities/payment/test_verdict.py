"""What rare answers mean, which no gateway at hand gives."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from pydantic import SecretStr

from mesh_activities.payment import Payments
from mesh_agents.payment import PaymentRefused
from tests.support.answering import answering, response
from tests.support.attempts import AsCall
from tests.support.payment_gateways import API_KEY, ChargeOf, Till

pytestmark = pytest.mark.asyncio

PAID = {"id": "pi_1", "status": "succeeded", "amount": 1250, "currency": "eur"}


def scripted(requests: list[str], **answers: object) -> Callable[[bytes], bytes]:
    """Answers intents with one that is paid, and refunds as told by method; notes what was asked."""

    def answer(head: bytes) -> bytes:
        method, path, _ = head.decode().split(" ", 2)
        requests.append(f"{method} {path.partition('?')[0]}")
        return response("200 OK", json.dumps(answers[method] if "/refunds" in path else PAID))

    return answer


async def test_an_intent_over_another_amount_is_no_receipt(
    sqlite_url: str, as_call: AsCall, charge_of: ChargeOf
) -> None:
    async with (
        answering(scripted([])) as url,
        Payments.open(sqlite_url, url, SecretStr(API_KEY)) as payments,
    ):
        with pytest.raises(PaymentRefused, match=r"not over 12\.51 EUR"):
            await Till(payments, as_call, "order-1").charge(charge_of(amount="12.51"))


async def test_a_refund_that_failed_gave_nothing_back_and_is_made_again(
    sqlite_url: str, as_call: AsCall, charge_of: ChargeOf
) -> None:
    failed = {"id": "re_1", "amount": 1250, "status": "failed"}
    good = {"id": "re_2", "amount": 1250, "status": "pending"}
    requests: list[str] = []
    async with (
        answering(scripted(requests, GET={"data": [failed]}, POST=good)) as url,
        Payments.open(sqlite_url, url, SecretStr(API_KEY)) as payments,
    ):
        till = Till(payments, as_call, "order-1")
        await till.charge(charge_of())
        requests.clear()
        assert (await till.refund(charge_of())).refund_id == "re_2"
    assert requests == ["GET /v1/payment_intents/pi_1", "GET /v1/refunds", "POST /v1/refunds"]


async def test_a_refund_that_fails_at_once_is_for_a_person_to_look_at(
    sqlite_url: str, as_call: AsCall, charge_of: ChargeOf
) -> None:
    failed = {"id": "re_1", "amount": 1250, "status": "failed"}
    async with (
        answering(scripted([], GET={"data": []}, POST=failed)) as url,
        Payments.open(sqlite_url, url, SecretStr(API_KEY)) as payments,
    ):
        till = Till(payments, as_call, "order-1")
        await till.charge(charge_of())
        with pytest.raises(PaymentRefused, match="re_1 is failed"):
            await till.refund(charge_of())
