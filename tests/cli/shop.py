"""A real server with the order task on it, its agents faked, and the real command line beside it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from mesh_agents import accounts, inventory, notification, payment
from mesh_agents.order import order
from mesh_workflows.order import Order
from sagamesh import Client, Pool, RetryLater, SagameshPlugin, current_call
from sagamesh.status import Stage
from sagamesh.testing import Fakes, dev_server, served

T = TypeVar("T")

ROOT = Path(__file__).parents[2]
SAGAMESH = str(Path(sys.executable).parent / "sagamesh")
PATIENCE = 60.0

APP = '''
"""The application of the tests of the command line."""

from mesh_agents.accounts import accounts
from mesh_agents.inventory import inventory
from mesh_agents.notification import notification
from mesh_agents.order import order
from mesh_agents.payment import payment
from sagamesh import App, Mesh



def pool():
    raise NotImplementedError("the tests serve the agents themselves")


app = App(
    mesh=Mesh(accounts, inventory, payment, notification),
    tasks=(order,),
    contracts=("mesh_agents",),
    workflows=("mesh_workflows.order:Order",),
    pools=dict.fromkeys(("accounts", "inventory", "payment", "notification", "orders"), "shop_app:pool"),
)
'''


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed, read as JSON."""
        return json.loads(self.out)


@dataclass
class CommandLine:
    """Runs `sagamesh` as a process of its own, in a folder of its own, with nothing of this one's configuration."""

    folder: Path
    address: str
    extra: dict[str, str | None] = field(default_factory=dict)
    """Further variables; those that are None are not set."""

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("TEMPORAL_", "SAGAMESH_"))}
        wanted = {
            **kept,
            "PYTHONPATH": str(self.folder),
            "SAGAMESH_APP": "shop_app:app",
            "TEMPORAL_ADDRESS": self.address,
            "TEMPORAL_CONFIG_FILE": os.devnull,
            "COLUMNS": "200",
            **self.extra,
        }
        return {name: value for name, value in wanted.items() if value is not None}

    def popen(self, *arguments: str, body: str | None = None) -> subprocess.Popen[str]:
        """Run it while the test goes on; `body` is put into order.json before."""
        if body is not None:
            (self.folder / "order.json").write_text(body, encoding="utf-8")
        return subprocess.Popen(
            [SAGAMESH, *arguments],
            cwd=self.folder,
            env=self.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def __call__(self, *arguments: str, stdin: str | bytes | None = None) -> Ran:
        done = subprocess.run(
            [SAGAMESH, *arguments],
            cwd=self.folder,
            env=self.environment,
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            timeout=PATIENCE * 2,
        )
        ran = Ran(done.returncode, done.stdout.decode(), done.stderr.decode())
        assert "Traceback" not in ran.err, ran.err
        return ran


class Shop:
    """The server, the faked agents and the host of orders, on an event loop in a thread of its own.

    How the agents behave is written in the order: the customer, the SKU and the payment method say it.
    """

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.address = ""
        self.client: Client
        self.mails = asyncio.Event()
        """Mails to the customer `patient` go out once this is set."""
        self._stop = asyncio.Event()
        self._refunds: Counter[str] = Counter()

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something on the shop's loop and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(PATIENCE)

    def stop(self) -> None:
        """End it."""
        self.loop.call_soon_threadsafe(self._stop.set)

    def until(self, what: Callable[[], bool]) -> None:
        """Wait until something is true, which nobody announces."""
        end = time.monotonic() + PATIENCE
        while not what():
            assert time.monotonic() < end, "it did not become true"
            time.sleep(0.02)

    def reaches(self, task_id: str, stage: Stage) -> None:
        """Wait until a task is at a stage."""
        self.until(lambda: self.call(self.client.find(task_id).status()).stage == stage)

    async def run(self, ready: threading.Event) -> None:
        """Serve until it is stopped."""
        plugin = SagameshPlugin(passthrough=("mesh_agents",))
        async with dev_server(plugin) as server:
            self.client = Client(server.client)
            self.address = server.client.service_client.config.target_host
            pools = [Pool(order.queue).host(order, Order), *self._agents().pools()]
            for pool in pools:
                pool.configure(slots=50, grace=timedelta(0))
            async with served(server.client, pools):
                ready.set()
                await self._stop.wait()

    def _agents(self) -> Fakes:
        fakes = Fakes(accounts.accounts, inventory.inventory, payment.payment, notification.notification)
        fakes.on(accounts.validate, _user).on(inventory.reserve, _reservation)
        fakes.on(inventory.release, inventory.Released(reservation_id="r-1"))
        fakes.on(inventory.confirm, inventory.Confirmed(reservation_id="r-1"))
        fakes.on(payment.charge, _receipt).on(payment.refund, self._refund)
        return fakes.on(notification.confirm_order, self._mail)

    async def _mail(self, mail: notification.OrderConfirmation) -> notification.Delivery:
        if mail.name == "patient":
            await self.mails.wait()
        return notification.Delivery(message_id="<m-1>")

    def _refund(self, charge: payment.Charge) -> payment.Refunded:
        key = current_call().key
        self._refunds[key] += 1
        if charge.payment_method == "pm_no_refund" and self._refunds[key] == 1:
            raise payment.PaymentRefused("the gateway refuses to refund", code="charge_disputed")
        return payment.Refunded(payment_id="pi_1", refund_id="re_1")


def _user(asked: accounts.UserRef) -> accounts.User:
    if asked.user_id == "nobody":
        raise accounts.UnknownUser("no user has this id", user_id=asked.user_id)
    return accounts.User(
        user_id=asked.user_id, name=asked.user_id, email="ada@shop.example", approval_limit=Decimal(100)
    )


def _reservation(asked: inventory.ReserveItems) -> inventory.Reservation:
    for item in asked.items:
        if item.sku == "violin":
            raise inventory.OutOfStock("3 violins are not on hand", sku="violin", asked=item.quantity, on_hand=0)
    return inventory.Reservation(reservation_id="r-1", expires_at=datetime(2100, 1, 1, tzinfo=UTC))


async def _receipt(asked: payment.Charge) -> payment.Receipt:
    match asked.payment_method, current_call().attempt:
        case "pm_declined", _:
            raise payment.Declined("the card was declined", code="card_declined")
        case "pm_no_refund", _:
            raise payment.Declined("the card was declined after all", code="card_declined")
        case "pm_flaky", 1 | 2:
            raise RetryLater("the gateway is busy", after=timedelta(milliseconds=200))
        case "pm_down", _:
            raise RetryLater("the gateway is down", after=timedelta(minutes=5))
        case _:
            return payment.Receipt(payment_id="pi_1", money=asked.money)


@contextmanager
def open_shop() -> Iterator[Shop]:
    """A shop that serves while the block runs."""
    made = Shop()
    ready = threading.Event()
    problems: list[BaseException] = []

    def serve() -> None:
        try:
            made.loop.run_until_complete(made.run(ready))
        except BaseException as problem:
            problems.append(problem)
        finally:
            made.loop.close()
            ready.set()

    thread = threading.Thread(target=serve, name="shop")
    thread.start()
    ready.wait()
    try:
        if not problems:
            yield made
    finally:
        if thread.is_alive():
            made.stop()
            thread.join(PATIENCE)
    if problems:
        raise problems[0]


def order_json(price: int = 10, **changed: Any) -> str:
    """An order of two books; `price` is that of one. Above 50 it needs an approval."""
    whole = {
        "customer": "ada",
        "currency": "EUR",
        "lines": [{"sku": "book", "quantity": 2, "unit_price": f"{price}.00"}],
        "total": f"{price * 2}.00",
        "payment_method": "pm_card_visa",
    }
    return json.dumps({**whole, **changed})
