"""Mails through real servers: what arrives, how often, and what an answer of the server means."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from datetime import timedelta
from decimal import Decimal
from email import message_from_bytes, policy
from pathlib import Path
from signal import SIGKILL
from typing import Any

import pytest
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from mesh_activities.key import KeyReused
from mesh_activities.letter import UnsafeText
from mesh_activities.mail_verdict import MailServerUnfit
from mesh_agents.inventory import ItemQuantity
from mesh_agents.money import Money
from mesh_agents.notification import MailRefused, OrderConfirmation
from sagamesh import BusinessError, RetryLater
from tests.activities.notification.conftest import STEP, OpenMailer, Send
from tests.support.attempts import AsCall
from tests.support.mail_servers import Desk, MailboxProcess, desk_server, raw_server

pytestmark = pytest.mark.asyncio


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
