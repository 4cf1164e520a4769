"""Mails through a server with TLS and a login: whom the agent trusts, and what it shows to nobody."""

from __future__ import annotations

import base64
import logging
import traceback
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from mesh_activities.mail_verdict import MailServerUnfit
from mesh_activities.notification import Mailer
from mesh_agents.notification import OrderConfirmation
from sagamesh import RetryLater
from tests.activities.notification.conftest import PASSWORD, OpenMailer, Send
from tests.support.mail_servers import Certificate, Desk, desk_server

pytestmark = pytest.mark.asyncio


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
