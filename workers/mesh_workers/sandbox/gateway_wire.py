"""How the sandbox gateway reads requests and words its refusals: Stripe's forms, keys and error objects."""

from __future__ import annotations

import base64
from typing import Any, Final
from urllib.parse import parse_qsl

from starlette.requests import Request

__all__ = ["Refusal", "amount_in", "authenticate", "metadata_in", "read_form", "refuse_others"]

_LONGEST_BODY: Final = 64 * 1024
_MOST_METADATA: Final = 50
_LONGEST_METADATA: Final = 500
_LARGEST_AMOUNT: Final = 99_999_999


class Refusal(Exception):
    """A request that is refused with Stripe's error object, before it had any effect."""

    def __init__(self, status: int, message: str, *, type: str = "invalid_request_error", **more: Any) -> None:
        self.status = status
        self.error = {"type": type, **more, "message": message}
        self.headers: dict[str, str] = {}
        super().__init__(message)


def authenticate(request: Request) -> None:
    """Let test keys in, given as Bearer token or as the user name of Basic authentication.

    Raises:
        Refusal: 401, without the key.
    """
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            value = base64.b64decode(value, validate=True).decode().partition(":")[0]
        except ValueError:  # neither base64 nor text
            value = ""
    elif scheme.lower() != "bearer":
        value = ""
    if not value:
        raise Refusal(401, "You did not provide an API key: send it as Bearer token or as Basic user name.")
    if not value.startswith("sk_test_") or value == "sk_test_":
        raise Refusal(401, "Invalid API key provided: this sandbox takes keys that begin with sk_test_ and no others.")


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form, keys as they were sent (`metadata[key]`).

    Raises:
        Refusal: 413 for a long body, 400 for one that is no form or names a field twice.
    """
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _LONGEST_BODY:
            raise Refusal(413, f"The request is longer than {_LONGEST_BODY} bytes.")
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=bool(body), max_num_fields=200)
    except ValueError:
        raise Refusal(400, "The request body must be form-encoded, as in amount=1250&currency=eur.") from None
    form = dict(pairs)
    if len(form) != len(pairs):
        raise Refusal(400, "The request names a parameter twice.")
    return form


def refuse_others(form: dict[str, str], *known: str) -> None:
    """Refuse parameters that are neither in `known` nor metadata.

    Raises:
        Refusal: 400 `parameter_unknown`.
    """
    for name in form:
        if name not in known and not name.startswith("metadata["):
            raise Refusal(400, f"Received unknown parameter: {name}", code="parameter_unknown", param=name)


def metadata_in(form: dict[str, str]) -> dict[str, str]:
    """The metadata of a form.

    Raises:
        Refusal: 400 where there is too much of it.
    """
    found = {
        name.removeprefix("metadata[").removesuffix("]"): value
        for name, value in form.items()
        if name.startswith("metadata[") and value
    }
    if len(found) > _MOST_METADATA:
        raise Refusal(400, f"Metadata can have at most {_MOST_METADATA} keys.", param="metadata")
    for name, value in found.items():
        if len(value) > _LONGEST_METADATA:
            message = f"Metadata values can have at most {_LONGEST_METADATA} characters."
            raise Refusal(400, message, param=f"metadata[{name}]")
    return found


def amount_in(form: dict[str, str]) -> int:
    """The amount in a form, in minor units.

    Raises:
        Refusal: 400 unless it is a whole number from 1 to 99999999.
    """
    text = form.get("amount")
    if text is None:
        raise Refusal(400, "Missing required param: amount.", code="parameter_missing", param="amount")
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise Refusal(400, f"Invalid integer: {text[:40]}", code="parameter_invalid_integer", param="amount")
    amount = int(text)
    if amount < 1:
        message = "This value must be greater than or equal to 1."
        raise Refusal(400, message, code="parameter_invalid_integer", param="amount")
    if amount > _LARGEST_AMOUNT:
        raise Refusal(400, "Amount must be no more than 99999999.", code="amount_too_large", param="amount")
    return amount
