"""The sandbox gateway as a process: who is let in, what its books say, and how it ends."""

from __future__ import annotations

import asyncio
import base64
import signal
import time
from pathlib import Path

import httpx
import pytest

from tests.support.gateway_requests import GOOD, confirm, create, refund
from tests.support.payment_gateways import API_KEY, Sandbox, running

pytestmark = pytest.mark.asyncio


def basic(user: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:".encode()).decode()


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (f"Bearer {API_KEY}", 200),
        (f"bearer {API_KEY}", 200),
        (basic(API_KEY), 200),
        (None, 401),
        ("Bearer", 401),
        ("Bearer sk_test_", 401),
        ("Bearer sk_live_51NeverToBeSeenAnywhere", 401),
        ("Bearer pk_test_1", 401),
        (basic("sk_live_51NeverToBeSeenAnywhere"), 401),
        ("Basic \u00e4", 401),
        ("Basic %%%", 401),
        (f"Digest {API_KEY}", 401),
    ],
)
async def test_only_test_keys_are_taken(sandbox: Sandbox, header: str | None, status: int) -> None:
    headers = {} if header is None else {b"authorization": header.encode("latin-1")}
    async with httpx.AsyncClient(base_url=sandbox.url, trust_env=False, headers=headers) as client:
        read = await client.get("/v1/refunds")
        written = await client.post("/v1/payment_intents", data=GOOD)
    assert (read.status_code, written.status_code) == (status, status)
    assert "NeverToBeSeen" not in read.text + written.text


async def test_the_books_add_up_and_the_page_shows_them(own_sandbox: Sandbox) -> None:
    server = own_sandbox
    async with server.client() as client:
        for currency, amount in (("eur", "1250"), ("eur", "100"), ("jpy", "900")):
            form = {"amount": amount, "currency": currency, "payment_method": "pm_card_visa"}
            intent = (await client.post("/v1/payment_intents", data=form)).json()
            await confirm(client, intent)
        await refund(client, intent, amount="400")
        await confirm(client, await create(client, "pm_card_chargeDeclined", **{"metadata[task_id]": "<b>bold</b>"}))
        assert server.get("/books")["totals"] == {
            "eur": {"charged": 1350, "refunded": 0, "net": 1350, "payments": 2},
            "jpy": {"charged": 900, "refunded": 400, "net": 500, "payments": 1},
        }
        page = (await client.get("/")).text
    assert "13.50 EUR" in page
    assert "500 JPY" in page
    assert "&lt;b&gt;bold" in page
    assert "<b>bold" not in page


async def test_the_books_survive_a_kill_in_the_middle(own_sandbox: Sandbox) -> None:
    server = own_sandbox
    async with server.client() as client:
        paid = await create(client)
        await confirm(client, paid, "a")
        hanging = await create(client, "pm_sandbox_slow_600")
        processing = await create(client, "pm_sandbox_processing_0")
        await confirm(client, processing)
        waiting = asyncio.ensure_future(confirm(client, hanging))
        await asyncio.sleep(0.1)
        before = server.get("/books")
        server.stop(signal.SIGKILL)
        with pytest.raises(httpx.TransportError):
            await waiting
        server.start_again()
        assert server.get("/books") == before
        assert before["totals"]["eur"]["payments"] == 2
        assert (await confirm(client, paid, "a")).headers["idempotent-replayed"] == "true"


async def test_it_ends_at_once_even_with_requests_that_hang(own_sandbox: Sandbox) -> None:
    server = own_sandbox
    async with server.client() as client:
        cards = ("pm_sandbox_timeout", "pm_sandbox_slow_600", "pm_sandbox_late_600", "pm_sandbox_answer_slow_600")
        intents = [await create(client, card) for card in cards]
        hanging = [asyncio.ensure_future(confirm(client, intent)) for intent in intents]
        await asyncio.sleep(0.3)
        before = time.monotonic()
        code = await asyncio.to_thread(server.stop)
        took = time.monotonic() - before
        outcomes = await asyncio.gather(*hanging, return_exceptions=True)
    assert code == 0
    assert took < 10  # two seconds are promised; this many tell that it did not wait for the requests
    assert sum(isinstance(outcome, httpx.TransportError) for outcome in outcomes) >= 3


async def test_keys_are_forgotten_after_their_time(tmp_path: Path) -> None:
    with running(Sandbox(tmp_path, "--keep-keys", "0")) as server:
        async with server.client() as client:
            headers = {"Idempotency-Key": "k"}
            made = [
                (await client.post("/v1/payment_intents", data=GOOD, headers=headers)).json()["id"] for _ in range(2)
            ]
    assert made[0] != made[1]
