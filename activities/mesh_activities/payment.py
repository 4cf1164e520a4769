"""Payment: charges that happen once, and refunds that find whatever happened.

What makes a charge happen once is not the gateway's idempotency keys: they expire (after a day at Stripe), and some
gateways ignore them. It is that one payment intent can succeed only once, that only one intent is ever confirmed for an
effect, and that its id is in our own books before that: whoever comes later asks for that intent's state first.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final, NamedTuple, Self, TypeVar

from pydantic import SecretStr
from sqlalchemy import Column, Integer, MetaData, String, Table, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mesh_activities.key import KeyReused
from mesh_activities.payment_verdict import CANCELLABLE, NOT_GIVEN_BACK, called_off, declined, is_kept, meaning, receipt
from mesh_activities.stripe import GatewayError, Intent, Stripe
from mesh_agents import payment as contract
from mesh_agents.payment import Charge, PaymentRefused, Receipt, Refunded
from sagamesh import RetryLater, current_call
from sagamesh.call import Call
from sagamesh.database import Database

__all__ = ["Payments", "metadata"]

metadata = MetaData()
_payments = Table(
    "payments",
    metadata,
    Column("key", String, primary_key=True),  # names the effect, see sagamesh.current_call
    Column("task_id", String, nullable=False),
    Column("digest", String, nullable=False),  # of the charge, because a key may not come to mean another one
    Column("state", String, nullable=False),
    Column("intent_id", String),  # None until an intent is announced at the gateway
    Column("round", Integer, nullable=False),  # how many idempotency keys are used up, see Payments._post
)
_OPEN: Final = "open"
_UNDONE: Final = "undone"

# When the contract's timeout has passed, the engine starts the next attempt: by then this one must have ended.
_PATIENCE = contract.charge.policy.timeout * 0.8
_LONGEST_METADATA = 500  # Stripe's limit
_LONGEST_KEY = 255  # Stripe's limit

_Result = TypeVar("_Result")


class _Entry(NamedTuple):
    key: str
    intent_id: str | None
    round: int


class Payments:
    """The payment agent's capabilities, for a database of our own and a gateway that speaks Stripe's API.

    - `patience`: how long one attempt may take in all.
    """

    def __init__(self, database: Database, gateway: Stripe, *, patience: timedelta = _PATIENCE) -> None:
        self._database = database
        self._gateway = gateway
        self._patience = patience

    @classmethod
    @asynccontextmanager
    async def open(cls, database_url: str, base_url: str, api_key: SecretStr) -> AsyncIterator[Self]:
        """Connect to the database (creating its table) and prepare the gateway's connections; close both at the end.

        Raises:
            InvalidInput: for a URL or key that cannot be right, naming the setting.
        """
        async with Stripe.open(base_url, api_key) as gateway, Database.open(database_url, metadata) as database:
            yield cls(database, gateway)

    async def charge(self, charge: Charge) -> Receipt:
        """Take the money, once for each effect, whatever is lost on the way.

        An attempt that finds an intent looks at it first: what has succeeded gives the same receipt, what was declined
        stays declined, and only what is still unconfirmed is confirmed.

        Raises:
            Declined: the card was declined, or wants its holder's consent.
            PaymentRefused: the gateway refuses the request as such.
            PaymentCalledOff: the charge was undone, or its intent was cancelled at the gateway.
            KeyReused: the same effect was asked for as another charge.
            GatewayDenied: the API key is not accepted.
            RetryLater: a limit, a fault, or no answer; the next attempt finds out what happened.
        """
        call = current_call()
        async with self._attempt(call):
            entry = await self._enter(call, charge)
            if entry.intent_id is None:
                intent = await self._announce(entry, call, charge)
            else:
                intent = await self._gateway.intent(entry.intent_id)
            if intent.status == "requires_confirmation":
                intent = await self._confirm(entry, intent)
            return receipt(entry.key, intent, charge)

    async def refund(self, charge: Charge) -> Refunded:
        """Undo a charge: call it off if it has not happened, give the money back if it has.

        Repeating it changes nothing. The mark is set first, so that a charge that comes later refuses itself; a confirm
        that is under way meets a cancelled intent, or it wins, and then the money is given back.

        Raises:
            PaymentRefused, KeyReused, GatewayDenied: as for `charge`; a person has to look.
            RetryLater: as for `charge`, and while the gateway is still processing the payment.
        """
        call = current_call()
        async with self._attempt(call):
            entry = await self._call_off(call, charge)
            if entry.intent_id is None:
                return Refunded()
            intent = await self._gateway.intent(entry.intent_id)
            if intent.status in CANCELLABLE:
                intent = await self._cancel(intent)
            if intent.status == "canceled":
                return Refunded(payment_id=intent.id)
            if intent.status == "succeeded":
                return Refunded(payment_id=intent.id, refund_id=await self._give_back(entry, intent))
            raise RetryLater(f"payment {intent.id} is {intent.status}: it can be undone when that has ended")

    @asynccontextmanager
    async def _attempt(self, call: Call) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._patience.total_seconds()):
                yield
        except TimeoutError:
            raise RetryLater(f"not done within {self._patience.total_seconds():g} s") from None
        except GatewayError as error:
            # Without the cause, because callers read the innermost failure, and that must be the typed one.
            raise meaning(error, call.key) from None

    async def _enter(self, call: Call, charge: Charge) -> _Entry:
        async with self._database.transaction() as connection:
            await self._database.insert_new(connection, _payments, _row(call, charge, _OPEN))
            entry, state = await self._look_up(connection, call, charge)
        if state == _UNDONE:
            raise called_off(call.key)
        return entry

    async def _call_off(self, call: Call, charge: Charge) -> _Entry:
        async with self._database.transaction() as connection:
            if not await self._database.insert_new(connection, _payments, _row(call, charge, _UNDONE)):
                await connection.execute(update(_payments).where(_payments.c.key == call.key).values(state=_UNDONE))
            entry, _ = await self._look_up(connection, call, charge)
        return entry

    async def _look_up(self, connection: AsyncConnection, call: Call, charge: Charge) -> tuple[_Entry, str]:
        row = (await connection.execute(select(_payments).where(_payments.c.key == call.key))).one()
        if row.digest != _digest(charge):
            raise KeyReused(f"{call.key} was another charge before; nothing was done", key=call.key)
        return _Entry(row.key, row.intent_id, row.round), row.state

    async def _announce(self, entry: _Entry, call: Call, charge: Charge) -> Intent:
        """Create the intent and write its id down. Nothing is charged yet: what is lost here, nobody confirms."""
        notes = {
            "key": call.key,
            "task_id": call.task_id,
            "customer": charge.customer,
            # Not as the intent's description, because not every gateway that speaks this API knows one.
            "description": charge.description,
        }
        intent = await self._post(
            entry,
            "create",
            lambda idempotency_key: self._gateway.create_intent(
                amount=charge.money.minor,
                currency=charge.money.currency,
                payment_method=charge.payment_method,
                metadata={name: text[:_LONGEST_METADATA] for name, text in notes.items() if text},
                idempotency_key=idempotency_key,
            ),
        )
        async with self._database.transaction() as connection:
            vacant = (_payments.c.key == call.key) & (_payments.c.state == _OPEN) & _payments.c.intent_id.is_(None)
            await connection.execute(update(_payments).where(vacant).values(intent_id=intent.id))
            kept, state = await self._look_up(connection, call, charge)
        if kept.intent_id != intent.id:
            await self._gateway.cancel(intent.id)  # tidiness only
        if state == _UNDONE:
            raise called_off(call.key)
        if kept.intent_id is not None and kept.intent_id != intent.id:  # another attempt was quicker
            return await self._gateway.intent(kept.intent_id)
        return intent

    async def _confirm(self, entry: _Entry, intent: Intent) -> Intent:
        try:
            return await self._post(
                entry,
                "confirm",
                lambda idempotency_key: self._gateway.confirm(intent.id, idempotency_key=idempotency_key),
            )
        except GatewayError as error:
            if error.status == 402:
                raise declined(error.problem, intent.id) from None
            return await self._unless_moved(intent, error)

    async def _cancel(self, intent: Intent) -> Intent:
        try:
            return await self._gateway.cancel(intent.id)
        except GatewayError as error:
            return await self._unless_moved(intent, error)

    async def _unless_moved(self, intent: Intent, error: GatewayError) -> Intent:
        """The intent as it is now, where a 400 only said that it had changed meanwhile; otherwise raises the error."""
        if error.status != 400:
            raise error
        now = await self._gateway.intent(intent.id)
        if now.status == intent.status:
            raise error
        return now

    async def _give_back(self, entry: _Entry, intent: Intent) -> str:
        """Give back what was not given back yet. Returns the refund's id."""
        # Counted first, because not every gateway refuses to give back more than it took.
        refunds = [refund for refund in await self._gateway.refunds(intent.id) if refund.status not in NOT_GIVEN_BACK]
        left = intent.amount - sum(refund.amount for refund in refunds)
        if left <= 0:
            ours = [refund for refund in refunds if refund.metadata.get("key") == entry.key]
            return (ours or refunds)[0].id
        refund = await self._post(
            entry,
            # With the amount: if somebody gives back a part by hand meanwhile, this becomes another request.
            f"refund/{left}",
            lambda idempotency_key: self._gateway.refund(
                intent.id, amount=left, metadata={"key": entry.key}, idempotency_key=idempotency_key
            ),
        )
        if refund.status in NOT_GIVEN_BACK:
            raise PaymentRefused(f"refund {refund.id} is {refund.status}", code="refund_failed", param="", status=200)
        return refund.id

    async def _post(self, entry: _Entry, operation: str, send: Callable[[str], Awaitable[_Result]]) -> _Result:
        """Send a request under an idempotency key that stays the same until the gateway has answered.

        A repeated request whose answer was lost, or whose worker died, is thus recognised by the gateway. But a gateway
        keeps failures under their key too, 500 included, and repeats them while it keeps the key: after such an answer
        the next attempt takes a fresh one. A 500 may still have had its effect. That does no harm: a second intent is
        never confirmed, an intent is charged once whatever the key, and refunds are counted before another is made.
        """
        try:
            return await send(_idempotency_key(entry, operation))
        except GatewayError as error:
            if is_kept(error):
                async with self._database.transaction() as connection:
                    used = (_payments.c.key == entry.key) & (_payments.c.round == entry.round)
                    await connection.execute(update(_payments).where(used).values(round=entry.round + 1))
            raise


def _row(call: Call, charge: Charge, state: str) -> dict[str, object]:
    return {"key": call.key, "task_id": call.task_id, "digest": _digest(charge), "state": state, "round": 0}


def _digest(charge: Charge) -> str:
    said = [charge.money.minor, charge.money.currency, charge.payment_method, charge.customer, charge.description]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def _idempotency_key(entry: _Entry, operation: str) -> str:
    what = f"/{operation}" + (f"/{entry.round}" if entry.round else "")
    # A foreign client may have given its task an id that cannot stand in a header.
    fits = entry.key.isascii() and entry.key.isprintable() and len(entry.key) + len(what) <= _LONGEST_KEY
    return (entry.key if fits else hashlib.sha256(entry.key.encode()).hexdigest()) + what
