"""Stripe's API over HTTP, as far as payments need it: intents and refunds.

It speaks, and knows nothing of tasks: what an answer means for a charge is decided in `mesh_activities.payment`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Annotated, Final, Self, TypeVar

import httpx
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from sagamesh.settings import wrong_setting

__all__ = ["API_KEY_SETTING", "URL_SETTING", "GatewayError", "Intent", "Problem", "Refund", "Stripe", "retry_after"]

API_KEY_SETTING: Final = "SAGAMESH_PAYMENT_KEY"
URL_SETTING: Final = "SAGAMESH_PAYMENT_URL"
"""The environment variables that messages name to the person who has to correct them."""

# The version whose shapes are read here; otherwise the account's default decides, and an upgrade there breaks us.
_API_VERSION = "2024-06-20"
# An issuer may take seconds to answer a confirm; the attempt as a whole is bounded by who calls.
_TIMEOUT = httpx.Timeout(10, connect=3)
# Below the idle timeout of common servers, so that a request seldom meets a connection that is just being closed.
_LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=4)
# A gateway may say "in an hour", and a broken one "in a year": no task is parked for longer than this.
_LONGEST_WAIT = timedelta(minutes=10)
_LONGEST_TEXT = 300

Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+$")]


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Problem(_Answer):
    """What the gateway says of a failure, in its own words and codes; None for what it leaves out."""

    type: str | None = None
    code: str | None = None
    decline_code: str | None = None
    param: str | None = None
    message: str | None = None


class Intent(_Answer):
    """A payment intent: `amount` in minor units, `currency` in lower case, `status` in the gateway's words."""

    id: Id
    status: str
    amount: int
    currency: str
    last_payment_error: Problem | None = None


class Refund(_Answer):
    """A refund: `amount` in minor units. `status` is None where the payment method knows none."""

    id: Id
    amount: int
    status: str | None = None
    metadata: dict[str, str] = {}


class _RefundPage(_Answer):
    data: tuple[Refund, ...]
    has_more: bool = False


class _Failure(_Answer):
    error: Problem


_Model = TypeVar("_Model", bound=_Answer)


class GatewayError(Exception):
    """The gateway did not do what it was asked, or it is not known whether it did.

    - `status`: the HTTP status; None when no readable answer came, and then the request may have had its effect.
    - `problem`: what the gateway said; empty when it said nothing readable.
    - `retry_after`: how long the gateway wants to be left alone.
    """

    def __init__(
        self,
        what: str,
        *,
        status: int | None = None,
        problem: Problem | None = None,
        after: timedelta | None = None,
    ) -> None:
        self.status = status
        self.problem = problem or Problem()
        self.retry_after = after
        super().__init__(what)


class Stripe:
    """An account at a gateway that speaks Stripe's API. Keeps its connections; safe for any number of callers.

    Every method raises `GatewayError`. The API key is in no error, representation or log record.
    """

    def __init__(self, client: httpx.AsyncClient, api_key: SecretStr) -> None:
        self._client = client
        self._api_key = api_key

    @classmethod
    @asynccontextmanager
    async def open(cls, base_url: str, api_key: SecretStr) -> AsyncIterator[Self]:
        """Prepare the connections; close them at the end of the block.

        - `base_url`: such as `https://api.stripe.com`. Plain `http` only to this machine, or with a test key.

        Raises:
            InvalidInput: for a URL or key that cannot be right, naming the setting; the key itself is not shown.
        """
        url = _checked_url(base_url)
        key = _checked_key(api_key)
        if url.scheme == "http" and not _is_here(url.host) and "_test_" not in key:
            raise wrong_setting(URL_SETTING, f"a live key is only sent over https (or to this machine), not to {url}")
        async with httpx.AsyncClient(
            base_url=url,
            headers={"Authorization": f"Bearer {key}", "Stripe-Version": _API_VERSION},
            timeout=_TIMEOUT,
            limits=_LIMITS,
            # A proxy from the environment cannot reach this machine's loopback.
            trust_env=not _is_here(url.host),
        ) as client:
            yield cls(client, api_key)

    async def create_intent(
        self, *, amount: int, currency: str, payment_method: str, metadata: Mapping[str, str], idempotency_key: str
    ) -> Intent:
        """Announce a payment of `amount` minor units by card. Nothing is charged before it is confirmed."""
        form = {
            "amount": str(amount),
            "currency": currency.lower(),
            "payment_method": payment_method,
            # Without it the account's dashboard decides, and methods that redirect a browser are refused here.
            "payment_method_types[]": "card",
            **_metadata(metadata),
        }
        return await self._ask("POST", "/v1/payment_intents", Intent, form=form, idempotency_key=idempotency_key)

    async def intent(self, intent_id: str) -> Intent:
        """The intent as it stands now."""
        return await self._ask("GET", f"/v1/payment_intents/{intent_id}", Intent)

    async def confirm(self, intent_id: str, *, idempotency_key: str) -> Intent:
        """Charge an intent. A declined card is a `GatewayError` of status 402, a wrong state one of status 400."""
        path = f"/v1/payment_intents/{intent_id}/confirm"
        return await self._ask("POST", path, Intent, idempotency_key=idempotency_key)

    async def cancel(self, intent_id: str) -> Intent:
        """Make sure that an intent is never charged. A wrong state (such as succeeded) is an error of status 400.

        It takes no idempotency key: cancelling twice does no harm, and a refusal that the gateway keeps under the key
        would be repeated after the state has changed.
        """
        return await self._ask("POST", f"/v1/payment_intents/{intent_id}/cancel", Intent)

    async def refunds(self, intent_id: str) -> list[Refund]:
        """All refunds of an intent that was charged, newest first."""
        found: list[Refund] = []
        query = {"payment_intent": intent_id, "limit": "100"}
        while True:
            page = await self._ask("GET", "/v1/refunds", _RefundPage, query=query)
            found += page.data
            if not page.has_more or not page.data:
                return found
            query["starting_after"] = page.data[-1].id

    async def refund(self, intent_id: str, *, amount: int, metadata: Mapping[str, str], idempotency_key: str) -> Refund:
        """Give back `amount` minor units of an intent that was charged."""
        form = {"payment_intent": intent_id, "amount": str(amount), **_metadata(metadata)}
        return await self._ask("POST", "/v1/refunds", Refund, form=form, idempotency_key=idempotency_key)

    async def _ask(
        self,
        method: str,
        path: str,
        model: type[_Model],
        *,
        form: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> _Model:
        headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
        try:
            response = await self._client.request(
                method, path.removeprefix("/"), data=form, params=query, headers=headers
            )
        except httpx.TransportError as error:
            text = self._shown(str(error)) or "no reason given"
            raise GatewayError(f"{method} {path}: {type(error).__name__}: {text}") from None
        if response.is_success:
            try:
                return model.model_validate_json(response.content)
            except ValidationError as error:
                problems = ", ".join(".".join(map(str, item["loc"])) or item["msg"] for item in error.errors())
                raise GatewayError(f"{method} {path}: answer {response.status_code} not readable: {problems}") from None
        problem = self._problem(response)
        words = [problem.code or problem.type, problem.message]
        said = ": ".join(word for word in words if word) or "without an explanation"
        raise GatewayError(
            f"{method} {path}: {response.status_code} {said}",
            status=response.status_code,
            problem=problem,
            after=retry_after(response.headers),
        )

    def _problem(self, response: httpx.Response) -> Problem:
        try:
            stated = _Failure.model_validate_json(response.content).error
        except ValidationError:
            return Problem()  # a proxy's page, or nothing at all: the status has to speak for itself
        return Problem(**{name: value and self._shown(value) for name, value in stated.model_dump().items()})

    def _shown(self, text: str) -> str:
        # What others say is passed on to histories and logs: it may be long, and a debugging proxy may echo the key.
        return text.replace(self._api_key.get_secret_value(), "(the API key)")[:_LONGEST_TEXT]


def retry_after(headers: Mapping[str, str], *, now: datetime | None = None) -> timedelta | None:
    """How long a `Retry-After` asks to wait, given in seconds or as a date; at most ten minutes.

    None when there is none, when it cannot be read, or when it is over already. A date is held against the answer's own
    `Date`, because the two clocks may differ.
    """
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        # Nine digits are more than enough, and thousands of them would be an error to convert.
        wait = timedelta(seconds=min(int(value[:9]), _LONGEST_WAIT.total_seconds()))
    else:
        until = _date(value)
        if until is None:
            return None
        wait = min(until - (_date(headers.get("date", "")) or now or datetime.now(UTC)), _LONGEST_WAIT)
    return wait if wait > timedelta(0) else None


def _date(value: str) -> datetime | None:
    try:
        parsed = parsedate_to_datetime(value)
    except ValueError:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    return {f"metadata[{name}]": value for name, value in metadata.items()}


def _checked_url(base_url: str) -> httpx.URL:
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL:
        raise wrong_setting(URL_SETTING, "is no URL") from None
    if url.userinfo:
        problem = f"must carry no user name or password; the key belongs into {API_KEY_SETTING}"
        raise wrong_setting(URL_SETTING, problem)
    if url.scheme not in ("http", "https") or not url.host or url.query or url.fragment:
        raise wrong_setting(URL_SETTING, f"must look like https://api.stripe.com, not {base_url!r}")
    return url


def _checked_key(api_key: SecretStr) -> str:
    # A stray newline would make the HTTP library quote the whole header, key and all, in its error.
    key = api_key.get_secret_value()
    if not key or not all("!" <= letter <= "~" for letter in key):
        raise wrong_setting(API_KEY_SETTING, "must be a gateway's secret key: letters without spaces or line ends")
    return key


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
