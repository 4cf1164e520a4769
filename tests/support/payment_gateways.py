"""Gateways as real processes, with their books, and what a test needs to call the payment agent."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

import httpx

from mesh_activities.payment import Payments
from mesh_agents.payment import Charge, Receipt, Refunded
from sagamesh import RetryLater
from tests.support.attempts import AsCall

API_KEY = "sk_test_51NeverToBeSeenAnywhere"
# localstripe itself would listen on every interface, and write all it knows into /tmp at each request.
_LOCALSTRIPE = """
import socket
from aiohttp import web
from localstripe import server
server.store.dump_to_disk = lambda: None
listener = socket.create_server(("127.0.0.1", 0))
print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
web.run_app(server.app, sock=listener, print=None, access_log=None)
"""

Result = TypeVar("Result")


@dataclass
class Payment:
    """A payment intent by the gateway's own books, amounts in minor units."""

    id: str
    state: str
    amount: int
    currency: str
    charges: int
    charged: int
    refunded: int
    metadata: dict[str, str]

    @property
    def net(self) -> int:
        """What the gateway keeps."""
        return self.charged - self.refunded


@dataclass
class Server:
    """A gateway in a process of its own."""

    command: Sequence[str]
    url: str = ""
    process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()
        assert self.url, f"{self.command} did not start"

    def stop(self, by: signal.Signals = signal.SIGTERM) -> int:
        """End it, and return its exit code."""
        assert self.process is not None
        assert self.process.stdout is not None
        self.process.send_signal(by)
        code = self.process.wait(timeout=30)
        self.process.stdout.close()
        return code

    def payments(self, key: str) -> list[Payment]:
        """The payments for this effect."""
        raise NotImplementedError

    async def give_back(self, payment_id: str, amount: int) -> str:
        """Refund by hand, as somebody does in the gateway's dashboard; returns the refund's id."""
        async with self.client() as client:
            answer = await client.post("/v1/refunds", data={"payment_intent": payment_id, "amount": str(amount)})
            return str(answer.raise_for_status().json()["id"])

    def client(self) -> httpx.AsyncClient:
        """A plain HTTP client with a good key."""
        headers = {"Authorization": f"Bearer {API_KEY}"}
        return httpx.AsyncClient(base_url=self.url, headers=headers, trust_env=False)

    def get(self, path: str) -> Any:
        """What the gateway answers to a GET."""
        headers = {"Authorization": f"Bearer {API_KEY}"}
        return httpx.get(self.url + path, headers=headers, trust_env=False).raise_for_status().json()


AnyServer = TypeVar("AnyServer", bound=Server)


@contextmanager
def running(server: AnyServer) -> Iterator[AnyServer]:
    """Start a gateway, and see it end in order, unless the block has ended it."""
    server.start()
    assert server.process is not None
    try:
        yield server
    finally:
        if server.process.poll() is None:
            assert server.stop() == 0


class Sandbox(Server):
    """The sandbox gateway; it can be killed and started again on the same address and books."""

    def __init__(self, folder: Path, *options: str) -> None:
        self._folder = folder
        self._options = options
        super().__init__(self._command(0))

    def _command(self, port: int) -> list[str]:
        module = [sys.executable, "-m", "mesh_workers.sandbox.gateway"]
        return [*module, "--port", str(port), "--dir", str(self._folder), *self._options]

    def start_again(self) -> None:
        """Start it where it was."""
        self.command = self._command(urlsplit(self.url).port or 0)
        self.start()

    def all_payments(self) -> list[Payment]:
        """Everything in the books."""
        return [
            Payment(
                id=entry["id"],
                state=entry["state"],
                amount=entry["amount"],
                currency=entry["currency"],
                charges=entry["charges"],
                charged=entry["amount_charged"],
                refunded=entry["amount_refunded"],
                metadata=entry["metadata"],
            )
            for entry in self.get("/books")["payments"]
        ]

    def payments(self, key: str) -> list[Payment]:
        """The payments for this effect."""
        return [payment for payment in self.all_payments() if payment.metadata.get("key") == key]

    def only(self, key: str) -> Payment:
        """The one payment for this effect."""
        (payment,) = self.payments(key)
        return payment


class LocalStripe(Server):
    """localstripe; it ignores idempotency keys and gives back more than it took."""

    def __init__(self) -> None:
        super().__init__([sys.executable, "-c", _LOCALSTRIPE])

    def payments(self, key: str) -> list[Payment]:
        """The payments for this effect."""
        charges = [charge for charge in self.get("/v1/charges?limit=100000")["data"] if charge["paid"]]
        found = []
        for intent in self.get("/v1/payment_intents?limit=100000")["data"]:
            if intent["metadata"].get("key") == key:
                own = [charge for charge in charges if charge["payment_intent"] == intent["id"]]
                found.append(
                    Payment(
                        id=intent["id"],
                        state=intent["status"],
                        amount=intent["amount"],
                        currency=intent["currency"],
                        charges=len(own),
                        charged=sum(charge["amount"] for charge in own),
                        refunded=sum(charge["amount_refunded"] for charge in own),
                        metadata=intent["metadata"],
                    )
                )
        return found


@dataclass
class Persistence:
    """Calls again for as long as the answer is RetryLater, as the engine does, but with short pauses."""

    delays: list[timedelta | None] = field(default_factory=list)

    async def __call__(self, call: Callable[[], Awaitable[Result]]) -> Result:
        """The first answer that is another one.

        Raises:
            TimeoutError: when there is none within a minute.
        """
        async with asyncio.timeout(60):
            while True:
                try:
                    return await call()
                except RetryLater as error:
                    self.delays.append(error.next_retry_delay)
                    await asyncio.sleep(0.05)


class OpenPayments(Protocol):
    """Opens the agent on a database and a gateway."""

    def __call__(
        self, gateway: Server, *, patience: timedelta = ..., api_key: str = ...
    ) -> AbstractAsyncContextManager[Payments]: ...


class ChargeOf(Protocol):
    """Makes a charge."""

    def __call__(
        self, payment_method: str = "pm_card_visa", amount: str = "12.50", currency: str = "EUR"
    ) -> Charge: ...


class Till:
    """One task's charge and its undo, called as a worker calls them."""

    def __init__(self, payments: Payments, as_call: AsCall, task_id: str) -> None:
        self._payments = payments
        self._as_call = as_call
        self._task_id = task_id

    async def charge(self, charge: Charge) -> Receipt:
        """One attempt of the step."""
        return await self._as_call(self._task_id, "payment.charge").run(self._payments.charge, charge)

    async def refund(self, charge: Charge) -> Refunded:
        """One attempt of its undo."""
        return await self._as_call(self._task_id, "payment.charge", undo=True).run(self._payments.refund, charge)
