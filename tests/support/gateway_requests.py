"""Requests to a payment gateway over plain HTTP."""

from __future__ import annotations

from typing import Any

import httpx

__all__ = ["GOOD", "confirm", "create", "error_of", "refund"]

GOOD = {"amount": "1250", "currency": "eur", "payment_method": "pm_card_visa"}


async def create(client: httpx.AsyncClient, payment_method: str = "pm_card_visa", **more: str) -> dict[str, Any]:
    """Announce a payment of 12.50 EUR."""
    answer = await client.post("/v1/payment_intents", data={**GOOD, "payment_method": payment_method, **more})
    intent: dict[str, Any] = answer.raise_for_status().json()
    return intent


async def confirm(client: httpx.AsyncClient, intent: dict[str, Any], key: str | None = None) -> httpx.Response:
    """Confirm it."""
    headers = {} if key is None else {"Idempotency-Key": key}
    return await client.post(f"/v1/payment_intents/{intent['id']}/confirm", headers=headers)


async def refund(client: httpx.AsyncClient, intent: dict[str, Any], **form: str) -> httpx.Response:
    """Give it back."""
    return await client.post("/v1/refunds", data={"payment_intent": intent["id"], **form})


def error_of(answer: httpx.Response) -> dict[str, Any]:
    """The error object, which is all there is in the answer."""
    (name, error), *_ = answer.json().items()
    assert name == "error"
    assert error["message"]
    assert isinstance(error, dict)
    return error
