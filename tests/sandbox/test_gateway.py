"""The sandbox gateway over plain HTTP: Stripe's rules for payments, keys and errors."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from tests.support.gateway_requests import GOOD, confirm, create, error_of, refund
from tests.support.payment_gateways import Sandbox

pytestmark = pytest.mark.asyncio


async def test_a_payment_from_announcement_to_refund(client: httpx.AsyncClient, sandbox: Sandbox) -> None:
    intent = await create(client, **{"metadata[key]": "a/b", "metadata[task_id]": "a", "description": "2 lamps"})
    assert intent["object"] == "payment_intent"
    assert (intent["amount"], intent["currency"], intent["status"]) == (1250, "eur", "requires_confirmation")
    assert (intent["metadata"], intent["description"]) == ({"key": "a/b", "task_id": "a"}, "2 lamps")

    paid = (await confirm(client, intent)).json()
    assert (paid["id"], paid["status"], paid["amount_received"]) == (intent["id"], "succeeded", 1250)
    assert (await client.get(f"/v1/payment_intents/{intent['id']}")).json() == paid

    part = (await refund(client, intent, amount="250", **{"metadata[why]": "late"})).json()
    rest = (await refund(client, intent)).json()
    assert (part["object"], part["amount"], part["status"]) == ("refund", 250, "succeeded")
    assert (part["metadata"], part["payment_intent"]) == ({"why": "late"}, intent["id"])
    assert rest["amount"] == 1000
    assert (await client.get(f"/v1/refunds/{part['id']}")).json() == part
    listed = (await client.get("/v1/refunds", params={"payment_intent": intent["id"]})).json()
    assert listed == {"object": "list", "url": "/v1/refunds", "has_more": False, "data": [rest, part]}

    (entry,) = [entry for entry in sandbox.get("/books")["payments"] if entry["id"] == intent["id"]]
    assert (entry["key"], entry["task_id"], entry["state"], entry["charges"]) == ("a/b", "a", "succeeded", 1)
    assert (entry["amount"], entry["amount_charged"], entry["amount_refunded"]) == (1250, 1250, 1250)


async def test_an_intent_is_charged_once_and_not_after_its_cancellation(client: httpx.AsyncClient) -> None:
    paid = await create(client)
    await confirm(client, paid)
    cancelled = await create(client)
    path = f"/v1/payment_intents/{cancelled['id']}/cancel"
    assert (await client.post(path)).json()["status"] == "canceled"

    for answer in (
        await confirm(client, paid),
        await confirm(client, cancelled),
        await client.post(path),
        await client.post(f"/v1/payment_intents/{paid['id']}/cancel"),
    ):
        assert answer.status_code == 400
        assert error_of(answer)["code"] == "payment_intent_unexpected_state"


async def test_no_more_is_given_back_than_was_taken(client: httpx.AsyncClient) -> None:
    unpaid = await create(client)
    assert (await refund(client, unpaid)).status_code == 400
    paid = await create(client)
    await confirm(client, paid)

    assert (await refund(client, paid, amount="1251")).status_code == 400
    assert (await refund(client, paid, amount="1000")).status_code == 200
    assert (await refund(client, paid, amount="251")).status_code == 400
    assert (await refund(client, paid)).status_code == 200
    last = await refund(client, paid)
    assert (last.status_code, error_of(last)["code"]) == (400, "charge_already_refunded")


@pytest.mark.parametrize(
    ("card", "code", "decline_code"),
    [
        ("pm_card_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_insufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_visa_chargeDeclinedLostCard", "card_declined", "lost_card"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card"),
    ],
)
async def test_a_declined_card(client: httpx.AsyncClient, card: str, code: str, decline_code: str) -> None:
    intent = await create(client, card)
    answer = await confirm(client, intent)
    error = error_of(answer)
    assert (answer.status_code, error["type"]) == (402, "card_error")
    assert (error["code"], error["decline_code"]) == (code, decline_code)

    now = (await client.get(f"/v1/payment_intents/{intent['id']}")).json()
    assert (now["status"], now["payment_method"]) == ("requires_payment_method", None)
    assert now["last_payment_error"]["decline_code"] == decline_code
    assert error["payment_intent"] == now
    # Another card makes it good.
    path = f"/v1/payment_intents/{intent['id']}/confirm"
    assert (await confirm(client, intent)).status_code == 400
    assert (await client.post(path, data={"payment_method": "pm_card_visa"})).json()["status"] == "succeeded"


async def test_a_repeated_request_is_answered_as_before(client: httpx.AsyncClient, key: str) -> None:
    headers = {"Idempotency-Key": key}
    first = await client.post("/v1/payment_intents", data=GOOD, headers=headers)
    again = await client.post("/v1/payment_intents", data=dict(reversed(GOOD.items())), headers=headers)
    assert first.json() == again.json()
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"

    declined = await create(client, "pm_card_chargeDeclined")
    answers = [await confirm(client, declined, f"{key}/confirm") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [402, 402]
    assert answers[0].json() == answers[1].json()


async def test_a_failure_is_kept_under_its_key_and_a_refusal_is_not(client: httpx.AsyncClient, key: str) -> None:
    failing = await create(client, "pm_sandbox_fail_1")
    assert [(await confirm(client, failing, key)).status_code for _ in range(3)] == [500, 500, 500]
    assert (await confirm(client, failing, f"{key}/2")).status_code == 200

    limited = await create(client, "pm_sandbox_rate_limited_5")
    answers = [await confirm(client, limited, f"{key}/3") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [429, 200]
    assert answers[0].headers["retry-after"] == "5"

    headers = {"Idempotency-Key": f"{key}/4"}
    bad = await client.post("/v1/payment_intents", data={**GOOD, "amount": "x"}, headers=headers)
    good = await client.post("/v1/payment_intents", data=GOOD, headers=headers)
    assert (bad.status_code, good.status_code) == (400, 200)


async def test_the_same_key_with_another_request_is_an_idempotency_error(client: httpx.AsyncClient, key: str) -> None:
    headers = {"Idempotency-Key": key}
    intent = (await client.post("/v1/payment_intents", data=GOOD, headers=headers)).json()
    others = [
        await client.post("/v1/payment_intents", data={**GOOD, "amount": "1251"}, headers=headers),
        await client.post(f"/v1/payment_intents/{intent['id']}/cancel", headers=headers),
    ]
    for answer in others:
        assert (answer.status_code, error_of(answer)["type"]) == (400, "idempotency_error")


async def test_the_same_key_at_the_same_time_is_a_conflict(client: httpx.AsyncClient, key: str) -> None:
    intent = await create(client, "pm_sandbox_slow_3")
    answers = await asyncio.gather(confirm(client, intent, key), confirm(client, intent, key))
    refused, good = sorted(answers, key=lambda answer: -answer.status_code)
    assert (good.status_code, refused.status_code) == (200, 409)
    assert error_of(refused)["code"] == "idempotency_key_in_use"


@pytest.mark.parametrize(
    ("form", "param"),
    [
        ({**GOOD, "amount": "0"}, "amount"),
        ({**GOOD, "amount": "-1"}, "amount"),
        ({**GOOD, "amount": "12.50"}, "amount"),
        ({**GOOD, "amount": "100000000"}, "amount"),
        ({**GOOD, "amount": "9" * 400}, "amount"),
        ({"currency": "eur"}, "amount"),
        ({"amount": "1250"}, "currency"),
        ({**GOOD, "currency": "xyz"}, "currency"),
        ({**GOOD, "payment_method": "pm_none"}, "payment_method"),
        ({**GOOD, "payment_method_types[]": "sepa_debit"}, "payment_method_types"),
        ({**GOOD, "ammount": "1"}, "ammount"),
        ({**GOOD, "metadata[x]": "y" * 501}, "metadata[x]"),
        ({**GOOD, **{f"metadata[{n}]": "y" for n in range(51)}}, "metadata"),
    ],
)
async def test_a_bad_parameter_is_named(client: httpx.AsyncClient, form: dict[str, str], param: str) -> None:
    answer = await client.post("/v1/payment_intents", data=form)
    error = error_of(answer)
    assert (answer.status_code, error["type"], error["param"]) == (400, "invalid_request_error", param)


async def test_bad_requests(client: httpx.AsyncClient) -> None:
    path = "/v1/payment_intents"
    assert (await client.post(path, content=b"x" * 100_000)).status_code == 413
    assert (await client.post(path, content=b"\xff\xfe")).status_code == 400
    assert (await client.post(path, content=b"no form")).status_code == 400
    assert (await client.post(path, content=b"amount=1&amount=2")).status_code == 400
    assert (await client.post(path, json=GOOD)).status_code == 400
    assert (await client.post(path, data=GOOD, headers={"Idempotency-Key": "x" * 256})).status_code == 400
    for missing in ("/v1/payment_intents/pi_none", "/v1/refunds/re_none", "/v1/refunds?payment_intent=pi_none"):
        answer = await client.get(missing)
        assert (answer.status_code, error_of(answer)["code"]) == (404, "resource_missing")
    assert (await client.get("/v1/refunds?limit=0")).status_code == 400
    assert (await client.post("/v1/refunds")).status_code == 400
    assert "GET: /v1/nothing" in error_of(await client.get("/v1/nothing"))["message"]
    assert (await client.delete(path)).status_code == 405
