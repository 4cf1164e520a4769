"""The HTTP client and the verdicts: waiting times, odd answers, and an API key that is never seen."""

from __future__ import annotations

import io
import json
import logging
import traceback
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from temporalio.api.failure.v1 import Failure
from temporalio.converter import DefaultFailureConverter, default
from temporalio.exceptions import ApplicationError

from mesh_activities.payment import Payments
from mesh_activities.stripe import GatewayError, Stripe, retry_after
from mesh_agents.payment import PaymentRefused
from sagamesh import RetryLater
from tests.support.answering import answering, response
from tests.support.attempts import AsCall
from tests.support.payment_gateways import API_KEY, ChargeOf, OpenPayments, Sandbox, Till

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"retry-after": "7"}, timedelta(seconds=7)),
        ({"retry-after": " 7 "}, timedelta(seconds=7)),
        ({"retry-after": "0"}, None),
        ({"retry-after": "-7"}, None),
        ({"retry-after": "7.5"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "86400"}, timedelta(minutes=10)),
        ({"retry-after": "9" * 5000}, timedelta(minutes=10)),
        ({"retry-after": format_datetime(NOON + timedelta(seconds=90), usegmt=True)}, timedelta(seconds=90)),
        ({"retry-after": format_datetime(NOON - timedelta(seconds=90), usegmt=True)}, None),
        ({"retry-after": format_datetime(NOON + timedelta(days=9), usegmt=True)}, timedelta(minutes=10)),
        (  # the gateway's clock is an hour ahead of ours
            {
                "retry-after": format_datetime(NOON + timedelta(hours=1, seconds=5), usegmt=True),
                "date": format_datetime(NOON + timedelta(hours=1), usegmt=True),
            },
            timedelta(seconds=5),
        ),
    ],
)
def test_retry_after(headers: dict[str, str], expected: timedelta | None) -> None:
    assert retry_after(headers, now=NOON) == expected


@given(value=st.text(), date=st.text())
def test_retry_after_takes_whatever_stands_there(value: str, date: str) -> None:
    wait = retry_after({"retry-after": value, "date": date})
    assert wait is None or timedelta(0) < wait <= timedelta(minutes=10)


@pytest.mark.parametrize(
    ("url", "key", "setting"),
    [
        ("ftp://api.stripe.com", API_KEY, "SAGAMESH_PAYMENT_URL"),
        ("api.stripe.com", API_KEY, "SAGAMESH_PAYMENT_URL"),
        ("", API_KEY, "SAGAMESH_PAYMENT_URL"),
        ("https://api.stripe.com/?x=1", API_KEY, "SAGAMESH_PAYMENT_URL"),
        ("http://[::1", API_KEY, "SAGAMESH_PAYMENT_URL"),
        (f"https://{API_KEY}@api.stripe.com", API_KEY, "SAGAMESH_PAYMENT_URL"),
        ("http://api.stripe.com", "sk_live_51NeverToBeSeenAnywhere", "SAGAMESH_PAYMENT_URL"),
        ("https://api.stripe.com", "", "SAGAMESH_PAYMENT_KEY"),
        ("https://api.stripe.com", API_KEY + "\n", "SAGAMESH_PAYMENT_KEY"),
        ("https://api.stripe.com", API_KEY + "\u00e9", "SAGAMESH_PAYMENT_KEY"),
    ],
)
@pytest.mark.asyncio
async def test_a_setting_that_cannot_be_right_is_refused_at_the_start(url: str, key: str, setting: str) -> None:
    with pytest.raises(ValueError, match=setting) as caught:
        async with Stripe.open(url, SecretStr(key)):
            pass
    assert "NeverToBeSeen" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("https://api.stripe.com", "sk_live_1"),
        ("https://api.stripe.com/", "rk_live_1"),
        ("http://127.0.0.1:8420", "sk_live_1"),
        ("http://sandbox.payments.svc:8420/", API_KEY),
    ],
)
@pytest.mark.asyncio
async def test_a_setting_that_can_be_right_is_taken(url: str, key: str) -> None:
    async with Stripe.open(url, SecretStr(key)):
        pass


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        ("200 OK", "<html>please log in</html>", RetryLater),
        ("200 OK", '{"id": "pi_1", "status": "succeeded"}', RetryLater),
        ("200 OK", '{"id": "../../v1/x", "status": "succeeded", "amount": 1, "currency": "eur"}', RetryLater),
        ("302 Found", "", PaymentRefused),
        ("404 Not Found", "<html>nothing here</html>", PaymentRefused),
        ("408 Request Timeout", "", RetryLater),
        ("502 Bad Gateway", "<html>oops</html>", RetryLater),
        ("503 Service Unavailable", '{"error": "busy"}', RetryLater),
        ("503 Service Unavailable", '{"error": {"message": 7}}', RetryLater),
    ],
)
@pytest.mark.asyncio
async def test_answers_that_are_none_of_stripes(
    sqlite_url: str, as_call: AsCall, charge_of: ChargeOf, status: str, body: str, expected: type[Exception]
) -> None:
    async with (
        answering(lambda _: response(status, body, "retry-after: 3")) as url,
        Payments.open(sqlite_url, url, SecretStr(API_KEY)) as payments,
    ):
        with pytest.raises(expected) as caught:
            await Till(payments, as_call, "order-1").charge(charge_of())
    if isinstance(caught.value, RetryLater) and not status.startswith("200"):
        assert caught.value.next_retry_delay == timedelta(seconds=3)


@pytest.mark.parametrize("task_id", ["order-1", "bestellung-\u00e4\n1", "x" * 3000])
@pytest.mark.asyncio
async def test_the_idempotency_key_is_the_task_and_the_step_or_a_digest_where_a_header_cannot_hold_them(
    sqlite_url: str, as_call: AsCall, charge_of: ChargeOf, task_id: str
) -> None:
    heads: list[bytes] = []

    def note(head: bytes) -> bytes:
        heads.append(head.lower())
        return response("429 Too Many Requests", "")

    async with answering(note) as url, Payments.open(sqlite_url, url, SecretStr(API_KEY)) as payments:
        for _ in range(2):
            with pytest.raises(RetryLater):
                await Till(payments, as_call, task_id).charge(charge_of())
    keys = {line for head in heads for line in head.split(b"\r\n") if line.startswith(b"idempotency-key: ")}
    assert len(heads) == 2
    (key,) = keys
    assert len(key) <= len(b"idempotency-key: ") + 255
    assert (key == b"idempotency-key: order-1/payment.charge/create") == (task_id == "order-1")


@pytest.mark.asyncio
async def test_the_api_key_is_in_no_error_log_representation_or_history(
    sandbox: Sandbox,
    open_payments: OpenPayments,
    as_call: AsCall,
    charge_of: ChargeOf,
    task_id: str,
    sqlite_url: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    seen = io.StringIO()

    async def look_at(number: int, act: Callable[[Till], Awaitable[object]], payments: Payments) -> None:
        with pytest.raises(ApplicationError) as caught:
            await act(Till(payments, as_call, f"{task_id}-{number}"))
        failure = Failure()
        DefaultFailureConverter().to_failure(caught.value, default().payload_converter, failure)
        seen.writelines([repr(caught.value), *traceback.format_exception(caught.value), str(failure), "\n"])

    short = timedelta(seconds=0.3)
    cards = ["pm_card_chargeDeclined", "pm_none", "pm_sandbox_fail", "pm_sandbox_answer_lost", "pm_sandbox_timeout"]
    async with open_payments(sandbox, patience=short) as payments:
        for number, card in enumerate(cards):
            await look_at(number, lambda till, card=card: till.charge(charge_of(card)), payments)  # type: ignore[misc]
        seen.write(f"{payments!r} {vars(payments)!r} {vars(payments._gateway)!r}")
    denied = "sk_live_51NeverToBeSeenAnywhere"
    async with open_payments(sandbox, api_key=denied) as payments:
        await look_at(10, lambda till: till.charge(charge_of()), payments)

    def echo(status: str) -> Callable[[bytes], bytes]:
        body = json.dumps({"error": {"message": f"no key like {API_KEY}", "code": API_KEY}})
        return lambda _: response(status, body)

    for number, status in enumerate(["400 Bad Request", "401 Unauthorized", "402 Payment", "409 Conflict", "500 Oops"]):
        async with answering(echo(status)) as url, Payments.open(sqlite_url, url, SecretStr(API_KEY)) as payments:
            await look_at(20 + number, lambda till: till.charge(charge_of()), payments)
    # The HTTP library's own debug log shows what a broken server sends; from here on only our words count.
    caplog.set_level(logging.INFO)
    async with (
        answering(lambda _: f"HTTP/1.1 {API_KEY}\r\n\r\n".encode()) as url,
        Payments.open(sqlite_url, url, SecretStr(API_KEY)) as payments,
    ):
        await look_at(30, lambda till: till.charge(charge_of()), payments)

    text = seen.getvalue() + caplog.text
    assert "HTTP Request: POST" in text  # that something was logged at all
    assert "RemoteProtocolError" in text
    assert "NeverToBeSeen" not in text


@pytest.mark.asyncio
async def test_a_gateway_error_says_what_was_asked_and_what_was_answered(sandbox: Sandbox) -> None:
    async with Stripe.open(sandbox.url, SecretStr(API_KEY)) as stripe:
        with pytest.raises(GatewayError) as caught:
            await stripe.intent("pi_none")
    assert (
        str(caught.value) == "GET /v1/payment_intents/pi_none: 404 resource_missing: No such payment_intent: 'pi_none'"
    )
    assert (caught.value.status, caught.value.problem.code) == (404, "resource_missing")


@pytest.mark.asyncio
async def test_a_proxy_of_the_environment_is_not_asked_for_a_gateway_on_this_machine(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    async with Stripe.open(sandbox.url, SecretStr(API_KEY)) as stripe:
        intent = await stripe.create_intent(
            amount=150, currency="EUR", payment_method="pm_card_visa", metadata={}, idempotency_key="proxy"
        )
    assert intent.status == "requires_confirmation"


@pytest.mark.asyncio
async def test_refunds_are_read_page_by_page(sandbox: Sandbox) -> None:
    async with Stripe.open(sandbox.url, SecretStr(API_KEY)) as stripe:
        intent = await stripe.create_intent(
            amount=150, currency="EUR", payment_method="pm_card_visa", metadata={}, idempotency_key="x"
        )
        await stripe.confirm(intent.id, idempotency_key="y")
        made = [
            await stripe.refund(intent.id, amount=1, metadata={}, idempotency_key=f"{intent.id}-{n}")
            for n in range(120)
        ]
        assert await stripe.refunds(intent.id) == made[::-1]
