"""The notification agent against real mail servers: the sandbox's mailbox, and aiosmtpd with TLS and a login."""

from __future__ import annotations

import asyncio
import base64
import logging
import sqlite3
import traceback
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from email import message_from_bytes, policy
from pathlib import Path
from signal import SIGKILL
from typing import Any, Protocol, TypeAlias

import pytest
from pydantic import SecretStr
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError
from temporalio.testing import ActivityEnvironment

from mesh_activities.key import KeyReused
from mesh_activities.letter import UnsafeText
from mesh_activities.mail_verdict import MailServerUnfit
from mesh_activities.notification import Mailer
from mesh_agents.inventory import ItemQuantity
from mesh_agents.money import Money
from mesh_agents.notification import Delivery, MailRefused, OrderConfirmation
from sagamesh import BusinessError, RetryLater
from tests.support.mail_servers import Certificate, Desk, MailboxProcess, desk_server, raw_server

pytestmark = pytest.mark.asyncio

PASSWORD = "correct horse battery staple"
STEP = "notification.confirm_order"


class AsCall(Protocol):
    def __call__(self, task_id: str, step: str, *, undo: bool = False, attempt: int = 1) -> ActivityEnvironment: ...


class OpenMailer(Protocol):
    def __call__(self, port: int, **options: Any) -> AbstractAsyncContextManager[Mailer]: ...


Send: TypeAlias = Callable[[Mailer, OrderConfirmation], Coroutine[Any, Any, Delivery]]


@pytest.fixture(scope="module")
def mailbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailboxProcess]:
    """One mailbox for the tests of this file; each writes to people of its own."""
    server = MailboxProcess(tmp_path_factory.mktemp("mailbox") / "mails")
    server.start()
    yield server
    assert server.stop() == 0


@pytest.fixture
def own_mailbox(tmp_path: Path) -> Iterator[MailboxProcess]:
    """A mailbox that the test may kill."""
    server = MailboxProcess(tmp_path / "mails")
    server.start()
    yield server
    server.stop(SIGKILL)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """For this machine, signed by nobody else."""
    return Certificate.make(tmp_path_factory.mktemp("certificate"), "DNS:localhost", "IP:127.0.0.1")


@pytest.fixture
def order_id() -> str:
    """An order of its own for each test."""
    return f"order-{uuid.uuid4().hex}"


@pytest.fixture
def confirmation(order_id: str) -> OrderConfirmation:
    """What a customer of this test's own is told."""
    return OrderConfirmation(
        to=f"ada.{order_id}@home.example",
        name="Ada Łovelace",
        order_id=order_id,
        items=(ItemQuantity(sku="lamp", quantity=2),),
        total=Money(amount=Decimal("12.50"), currency="EUR"),
    )


@pytest.fixture
def open_mailer(sqlite_url: str) -> OpenMailer:
    """The agent on a SQLite database, for the server on this port."""

    @asynccontextmanager
    async def opened(port: int, **options: Any) -> AsyncIterator[Mailer]:
        chosen = {"tls": "none", "timeout": timedelta(seconds=60), **options}
        url = chosen.pop("database_url", sqlite_url)
        host = chosen.pop("host", "127.0.0.1")
        async with Mailer.open(url, host, port, "orders@shop.example", **chosen) as mailer:
            yield mailer

    return opened


@pytest.fixture
def send(as_call: AsCall, order_id: str) -> Send:
    """Asks the agent as the order's task does; each call is one more attempt of the same step."""
    attempts = iter(range(1, 100))

    async def sent(mailer: Mailer, confirmation: OrderConfirmation) -> Delivery:
        environment = as_call(order_id, STEP, attempt=next(attempts))
        return await environment.run(mailer.confirm_order, confirmation)

    return sent


async def test_the_mail_arrives(
    mailbox: MailboxProcess, open_mailer: OpenMailer, send: Send, confirmation: OrderConfirmation
) -> None:
    async with open_mailer(mailbox.port) as mailer:
        delivery = await send(mailer, confirmation)
    [kept] = mailbox.mails(confirmation.to)
    assert kept["message_id"] == delivery.message_id
    assert kept["subject"] == f"Your order {confirmation.order_id}"
    mail = message_from_bytes(mailbox.text(kept), policy=policy.default)
    assert mail["To"] == f"Ada Łovelace <{confirmation.to}>"
    assert mail["Return-Path"] == "<orders@shop.example>"
    assert mail["Delivered-To"] == confirmation.to
    for kind in ("plain", "html"):
        part = mail.get_body((kind,))
        assert part is not None
        assert "Ada Łovelace" in part.get_content()
        assert "12.50 EUR" in part.get_content()


async def test_who_asks_again_gets_the_same_answer_and_no_second_mail(
    mailbox: MailboxProcess, open_mailer: OpenMailer, send: Send, confirmation: OrderConfirmation, database_url: str
) -> None:
    async with open_mailer(mailbox.port, database_url=database_url) as mailer:
        first = await send(mailer, confirmation)
        assert await send(mailer, confirmation) == first
    async with open_mailer(mailbox.port, database_url=database_url) as after_a_restart:
        assert await send(after_a_restart, confirmation) == first
    assert [mail["doubles"] for mail in mailbox.mails(confirmation.to)] == [0]


async def test_the_amount_in_other_words_is_the_same_mail(
    mailbox: MailboxProcess, open_mailer: OpenMailer, send: Send, confirmation: OrderConfirmation
) -> None:
    same = confirmation.model_copy(update={"total": Money(amount=Decimal("12.5"), currency="EUR")})
    async with open_mailer(mailbox.port) as mailer:
        assert await send(mailer, confirmation) == await send(mailer, same)


@pytest.mark.parametrize(
    "change",
    [
        {"to": "eve@home.example"},
        {"name": "Eve"},
        {"order_id": "another"},
        {"items": (ItemQuantity(sku="lamp", quantity=3),)},
        {"total": Money(amount=Decimal("12.51"), currency="EUR")},
        {"total": Money(amount=Decimal("12.50"), currency="USD")},
    ],
)
async def test_another_mail_under_the_same_key_is_refused(
    mailbox: MailboxProcess,
    open_mailer: OpenMailer,
    send: Send,
    confirmation: OrderConfirmation,
    change: dict[str, Any],
    database_url: str,
) -> None:
    async with open_mailer(mailbox.port, database_url=database_url) as mailer:
        await send(mailer, confirmation)
        with pytest.raises(KeyReused) as refused:
            await send(mailer, confirmation.model_copy(update=change))
    assert refused.value.details == ({"key": f"{confirmation.order_id}/{STEP}"},)
    assert refused.value.non_retryable
    assert [mail["doubles"] for mail in mailbox.mails(confirmation.order_id)] == [0]


async def test_a_mail_that_was_not_written_down_comes_again_with_its_message_id(
    mailbox: MailboxProcess, open_mailer: OpenMailer, send: Send, confirmation: OrderConfirmation, tmp_path: Path
) -> None:
    async with open_mailer(mailbox.port) as mailer:
        first = await send(mailer, confirmation)
    forgetful = f"sqlite:///{tmp_path / 'another.db'}"
    async with open_mailer(mailbox.port, database_url=forgetful) as mailer:
        assert await send(mailer, confirmation) == first
    assert [mail["doubles"] for mail in mailbox.mails(confirmation.to)] == [1]


async def test_different_orders_are_different_mails(
    mailbox: MailboxProcess, open_mailer: OpenMailer, as_call: AsCall, confirmation: OrderConfirmation
) -> None:
    async with open_mailer(mailbox.port) as mailer:
        ids = [
            (await as_call(task, STEP).run(mailer.confirm_order, confirmation)).message_id
            for task in ("a", "b", "an id\r\nwith <odd> characters ä", "x" * 1000)
        ]
    assert len(set(ids)) == 4
    assert [mail["message_id"] for mail in mailbox.mails(confirmation.to)] == ids


async def test_letters_beyond_ascii_in_the_address(
    mailbox: MailboxProcess, open_mailer: OpenMailer, send: Send, confirmation: OrderConfirmation
) -> None:
    confirmation = confirmation.model_copy(update={"to": f"ädä.{confirmation.order_id}@straße.example"})
    async with open_mailer(mailbox.port) as mailer:
        await send(mailer, confirmation)
    [mail] = mailbox.mails(confirmation.order_id)
    assert mail["to"] == f"Ada Łovelace <ädä.{confirmation.order_id}@xn--strae-oqa.example>"


async def test_a_server_that_takes_no_such_letters(
    open_mailer: OpenMailer, send: Send, confirmation: OrderConfirmation
) -> None:
    desk = Desk()
    async with desk_server(desk) as port, open_mailer(port) as mailer:
        with pytest.raises(MailRefused) as refused:
            await send(mailer, confirmation.model_copy(update={"to": "ädä@home.example"}))
        assert refused.value.details == ({"code": None, "to": "ädä@home.example"},)
        await send(mailer, confirmation.model_copy(update={"to": "ada@straße.example"}))
    assert [mail.rcpt_tos for mail in desk.mails] == [["ada@xn--strae-oqa.example"]]


@pytest.mark.parametrize("to", ["", "ada", "ada@", "a b@home.example", "ada@home.example\r\nBcc: eve@home.example"])
async def test_no_address_is_refused_without_asking_the_server(
    open_mailer: OpenMailer, send: Send, confirmation: OrderConfirmation, to: str
) -> None:
    async with open_mailer(1) as mailer:  # nothing listens there
        with pytest.raises(MailRefused, match="no mail address") as refused:
            await send(mailer, confirmation.model_copy(update={"to": to}))
    assert refused.value.details == ({"code": None, "to": to},)
    assert refused.value.non_retryable


@pytest.mark.parametrize("field", ["name", "order_id"])
async def test_a_line_end_in_a_text_of_the_mail_is_refused(
    open_mailer: OpenMailer, send: Send, confirmation: OrderConfirmation, field: str
) -> None:
    async with open_mailer(1) as mailer:
        with pytest.raises(UnsafeText, match=field):
            await send(mailer, confirmation.model_copy(update={field: "Ada\r\nBcc: eve@home.example"}))


async def test_the_sandbox_refuses_and_is_down_for_some(
    mailbox: MailboxProcess, open_mailer: OpenMailer, send: Send, confirmation: OrderConfirmation
) -> None:
    async with open_mailer(mailbox.port) as mailer:
        with pytest.raises(MailRefused, match="No such mailbox") as refused:
            await send(mailer, confirmation.model_copy(update={"to": "ada@refused.example"}))
        with pytest.raises(RetryLater, match="421"):
            await send(mailer, confirmation.model_copy(update={"to": "ada@down.example"}))
        # Neither was written down: the same key is still free for the mail as it should be.
        await send(mailer, confirmation)
    assert refused.value.details == ({"code": 550, "to": "ada@refused.example"},)


@pytest.mark.parametrize(
    ("command", "answer", "meaning"),
    [
        ("MAIL", "451 4.3.0 Busy", RetryLater),
        ("MAIL", "552 5.3.4 Too big", MailRefused),
        ("RCPT", "450 4.2.0 Greylisted", RetryLater),
        ("RCPT", "452 4.2.2 Mailbox full", RetryLater),
        ("RCPT", "550 5.1.1 No such user", MailRefused),
        ("RCPT", "553 5.1.3 No mailbox has such a name", MailRefused),
        ("RCPT", "530 5.7.0 Authentication required", MailServerUnfit),
        ("DATA", "452 4.3.1 Disk full", RetryLater),
        ("DATA", "554 5.7.1 Looks like spam", MailRefused),
    ],
)
async def test_what_an_answer_means(
    open_mailer: OpenMailer,
    send: Send,
    confirmation: OrderConfirmation,
    command: str,
    answer: str,
    meaning: type[BusinessError | RetryLater],
) -> None:
    desk = Desk(answers={command: answer})
    async with desk_server(desk) as port, open_mailer(port) as mailer:
        with pytest.raises(meaning) as failed:
            await send(mailer, confirmation)
        code = int(answer[:3])
        assert str(code) in str(failed.value)
        assert failed.value.type == meaning.__name__
        if meaning is RetryLater:
            assert not failed.value.non_retryable
        elif meaning is MailRefused:
            assert failed.value.details == ({"code": code, "to": confirmation.to},)
            assert answer[4:] in str(failed.value)
        else:
            assert failed.value.details == ({"code": code, "setting": "SAGAMESH_MAIL_USERNAME"},)
        desk.answers.clear()
        await send(mailer, confirmation)
    assert len(desk.mails) == 1


@pytest.mark.parametrize(
    ("answers", "meaning", "words"),
    [
        ((b"421 4.3.2 Shutting down\r\n",), RetryLater, "421"),
        ((b"554 5.0.0 No mail here\r\n",), MailServerUnfit, "554"),
        ((b"",), RetryLater, "no answer"),
        ((b"220 ok\r\n", b""), RetryLater, "no answer"),
        ((b"SSH-2.0-OpenSSH_9.2\r\n",), RetryLater, "Malformed"),
        ((b"220 ok\r\n", b"250 ok\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"), RetryLater, "no answer"),
        ((b"220 ok\r\n", b"250 ok\r\n", b"451 \xff\xfe\x00 later\r\n"), RetryLater, "451"),
        ((b"220 ok\r\n", b"250 ok\r\n", b"550 " + b"no " * 1000 + b"\r\n"), MailRefused, "550"),
    ],
)
async def test_servers_that_misbehave(
    open_mailer: OpenMailer,
    send: Send,
    confirmation: OrderConfirmation,
    answers: tuple[bytes, ...],
    meaning: type[BusinessError | RetryLater],
    words: str,
) -> None:
    async with raw_server(*answers) as port, open_mailer(port) as mailer:
        with pytest.raises(meaning, match=words) as failed:
            await send(mailer, confirmation)
    # What is written into a history is text, and not more of it than somebody wants to read.
    assert len(str(failed.value).encode()) < 600


@pytest.mark.parametrize("answers", [(), (b"220 ok\r\n",), (b"220 ok\r\n", b"250 ok\r\n", b"250 ok\r\n")])
async def test_a_server_that_hangs_is_tried_later(
    open_mailer: OpenMailer, send: Send, confirmation: OrderConfirmation, answers: tuple[bytes, ...]
) -> None:
    async with (
        raw_server(*answers, hang=True) as port,
        open_mailer(port, timeout=timedelta(seconds=0.3)) as mailer,
    ):
        with pytest.raises(RetryLater, match=r"no answer from 127\.0\.0\.1"):
            await send(mailer, confirmation)


async def test_no_server_is_tried_later(
    own_mailbox: MailboxProcess, open_mailer: OpenMailer, send: Send, confirmation: OrderConfirmation
) -> None:
    own_mailbox.stop(SIGKILL)
    async with open_mailer(own_mailbox.port) as mailer:
        with pytest.raises(RetryLater, match=f"127.0.0.1:{own_mailbox.port}") as failed:
            await send(mailer, confirmation)
        assert not failed.value.non_retryable
        own_mailbox.start()
        await send(mailer, confirmation)
    assert len(own_mailbox.mails(confirmation.to)) == 1


async def test_the_mail_server_is_killed_between_the_mail_and_its_answer(
    own_mailbox: MailboxProcess, open_mailer: OpenMailer, send: Send, confirmation: OrderConfirmation
) -> None:
    own_mailbox.stop()
    own_mailbox.start("--slow", "3600")
    confirmation = confirmation.model_copy(update={"to": f"{confirmation.order_id}@slow.example"})
    async with open_mailer(own_mailbox.port) as mailer:
        attempt = asyncio.create_task(send(mailer, confirmation))
        async with asyncio.timeout(60):
            while not await asyncio.to_thread(own_mailbox.mails, confirmation.order_id):  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.01)
        own_mailbox.stop(SIGKILL)
        with pytest.raises(RetryLater):
            await attempt
        own_mailbox.start("--slow", "0")
        delivery = await send(mailer, confirmation)
    [mail] = own_mailbox.mails(confirmation.order_id)
    assert (mail["message_id"], mail["doubles"]) == (delivery.message_id, 1)


async def test_the_goodbye_decides_nothing(
    open_mailer: OpenMailer, send: Send, confirmation: OrderConfirmation
) -> None:
    steps = (b"220 ok\r\n", b"250 ok\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n")
    lines = 200  # more than the mail has: the server answers each line, and the last answer is that to the final dot

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number, answer in enumerate(steps):
            if number:
                await reader.readline()
            writer.write(answer)
        for _ in range(lines):
            if await reader.readline() == b".\r\n":
                break
        writer.write(b"250 ok\r\n")
        await reader.read()  # QUIT, and then nothing
        writer.close()

    server = await asyncio.start_server(converse, "127.0.0.1", 0)
    async with server, open_mailer(server.sockets[0].getsockname()[1]) as mailer:
        first = await send(mailer, confirmation)
        assert await send(mailer, confirmation) == first


async def test_an_answer_survives_the_loss_of_the_books(
    open_mailer: OpenMailer,
    send: Send,
    confirmation: OrderConfirmation,
    sqlite_url: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = make_url(sqlite_url).database
    assert path is not None

    async def lose_the_books() -> None:
        connection = sqlite3.connect(path)
        connection.execute("DROP TABLE mails")
        connection.close()

    desk = Desk(on_data=lose_the_books)
    async with desk_server(desk) as port, open_mailer(port) as mailer:
        with caplog.at_level(logging.ERROR, "mesh_activities.notification"):
            delivery = await send(mailer, confirmation)
        assert "could not be written down" in caplog.text
        assert delivery.message_id in caplog.text
        # Without its books it does not know what it has sent, so it sends nothing.
        with pytest.raises(SQLAlchemyError):
            await send(mailer, confirmation)
    assert len(desk.mails) == 1


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_encrypted_and_logged_in(
    open_mailer: OpenMailer,
    send: Send,
    confirmation: OrderConfirmation,
    certificate: Certificate,
    tls: str,
    host: str,
) -> None:
    desk = Desk(login=("orders", PASSWORD))
    options: dict[str, Any] = {
        "tls": tls,
        "host": host,
        "username": "orders",
        "password": SecretStr(PASSWORD),
        "ca_file": certificate.certificate,
    }
    async with desk_server(desk, tls=tls, certificate=certificate) as port, open_mailer(port, **options) as mailer:
        await send(mailer, confirmation)
    assert [mail.rcpt_tos for mail in desk.mails] == [[confirmation.to]]
    assert len(desk.logins) == 1


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
async def test_a_wrong_password_is_tried_once_and_shown_nowhere(
    open_mailer: OpenMailer,
    send: Send,
    confirmation: OrderConfirmation,
    certificate: Certificate,
    caplog: pytest.LogCaptureFixture,
    tls: str,
) -> None:
    wrong = "wrong horse"
    encoded = base64.b64encode(f"\0orders\0{wrong}".encode()).decode()
    desk = Desk(login=("orders", PASSWORD), answers={"AUTH": f"535 5.7.8 {wrong} {encoded} is not it"})
    options: dict[str, Any] = {
        "tls": tls,
        "username": "orders",
        "password": SecretStr(wrong),
        "ca_file": certificate.certificate,
    }
    async with desk_server(desk, tls=tls, certificate=certificate) as port, open_mailer(port, **options) as mailer:
        with (
            caplog.at_level(logging.DEBUG),
            pytest.raises(MailServerUnfit, match=r"login \(535\).*MAIL_USERNAME.*MAIL_PASSWORD") as failed,
        ):
            await send(mailer, confirmation)
        assert wrong not in repr(vars(mailer))
    assert failed.value.details == ({"code": 535, "setting": "SAGAMESH_MAIL_USERNAME"},)
    assert failed.value.non_retryable
    assert failed.value.__cause__ is None
    assert len(desk.logins) == 1
    assert not desk.mails
    logged = [record.getMessage() for record in caplog.records if record.name != "mail.log"]  # which is the server's
    seen = "".join([*traceback.format_exception(failed.value), repr(failed.value), *logged])
    assert wrong not in seen
    assert encoded not in seen


async def test_a_login_that_cannot_be_checked_now_is_tried_later(
    open_mailer: OpenMailer, send: Send, confirmation: OrderConfirmation
) -> None:
    desk = Desk(login=("orders", PASSWORD), answers={"AUTH": "454 4.7.0 Directory is down"})
    async with (
        desk_server(desk) as port,
        open_mailer(port, username="orders", password=SecretStr("wrong")) as mailer,
    ):
        with pytest.raises(RetryLater, match="454"):
            await send(mailer, confirmation)


async def test_a_server_that_wants_a_login(
    open_mailer: OpenMailer, send: Send, confirmation: OrderConfirmation, certificate: Certificate
) -> None:
    desk = Desk(login=("orders", PASSWORD))
    options: dict[str, Any] = {"tls": "starttls", "ca_file": certificate.certificate}
    async with (
        desk_server(desk, tls="starttls", certificate=certificate) as port,
        open_mailer(port, **options) as mailer,
    ):
        with pytest.raises(MailServerUnfit, match="530") as failed:
            await send(mailer, confirmation)
    assert failed.value.details == ({"code": 530, "setting": "SAGAMESH_MAIL_USERNAME"},)


async def test_a_server_that_offers_no_login(
    open_mailer: OpenMailer, send: Send, confirmation: OrderConfirmation
) -> None:
    desk = Desk()
    async with (
        desk_server(desk) as port,
        open_mailer(port, username="orders", password=SecretStr(PASSWORD)) as mailer,
    ):
        with pytest.raises(MailServerUnfit, match="offers no login"):
            await send(mailer, confirmation)
    assert not desk.mails


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
@pytest.mark.parametrize("names", [("DNS:localhost", "IP:127.0.0.1"), ("DNS:elsewhere.example",)])
async def test_a_certificate_of_somebody_else_is_not_trusted(
    open_mailer: OpenMailer,
    send: Send,
    confirmation: OrderConfirmation,
    tmp_path: Path,
    tls: str,
    names: tuple[str, ...],
) -> None:
    shown = Certificate.make(tmp_path, *names)
    # Signed by nobody whom the system trusts; or by one who is trusted, for another name.
    options: dict[str, Any] = {"tls": tls, "username": "orders", "password": SecretStr(PASSWORD)}
    if "DNS:localhost" not in names:
        options["ca_file"] = shown.certificate
    desk = Desk(login=("orders", PASSWORD))
    async with desk_server(desk, tls=tls, certificate=shown) as port, open_mailer(port, **options) as mailer:
        with pytest.raises(MailServerUnfit, match="not trusted") as failed:
            await send(mailer, confirmation)
    assert failed.value.details == ({"code": None, "setting": "SAGAMESH_MAIL_CA_FILE"},)
    assert failed.value.non_retryable
    assert not desk.logins
    assert not desk.mails


async def test_no_mail_goes_out_in_the_clear_where_encryption_was_asked_for(
    open_mailer: OpenMailer, send: Send, confirmation: OrderConfirmation
) -> None:
    desk = Desk()
    async with desk_server(desk) as port:
        async with open_mailer(port, tls="starttls") as mailer:
            with pytest.raises(MailServerUnfit, match=r"offers no STARTTLS.*SAGAMESH_MAIL_TLS"):
                await send(mailer, confirmation)
        async with open_mailer(port, tls="implicit") as mailer:
            with pytest.raises(RetryLater, match="no answer"):
                await send(mailer, confirmation)
    assert not desk.mails


@pytest.mark.parametrize("host", ["mail.example", "10.0.0.1"])
async def test_a_login_never_crosses_a_network_in_the_clear(open_mailer: OpenMailer, host: str) -> None:
    with pytest.raises(ValueError, match="SAGAMESH_MAIL_TLS") as refused:
        async with open_mailer(25, host=host, username="orders", password=SecretStr(PASSWORD)):
            pass
    assert PASSWORD not in str(refused.value)


@pytest.mark.parametrize("sender", ["", "orders", "orders@shop.example\r\nBcc: eve@home.example"])
async def test_a_sender_that_is_no_address_is_refused_at_the_start(sqlite_url: str, sender: str) -> None:
    with pytest.raises(ValueError, match="SAGAMESH_MAIL_SENDER"):
        async with Mailer.open(sqlite_url, "127.0.0.1", 25, sender):
            pass
