"""What the reference application's pools look at: real databases, gateways and mail servers, there and not there."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Literal

import aiosmtplib
import httpx
import pytest
from pydantic import SecretStr

from mesh_workers.accounts import pool as accounts
from mesh_workers.dependencies import database, gateway, mail_server
from mesh_workers.inventory import pool as inventory
from mesh_workers.notification import pool as notification
from mesh_workers.payment import pool as payment
from mesh_workers.settings import NotificationSettings
from sagamesh.pool import PoolFactory
from sagamesh.settings import read_settings
from tests.support.mail_servers import Certificate, Desk, desk_server, raw_server
from tests.support.payment_gateways import Sandbox, running


def mail(
    port: int, tls: Literal["none", "starttls", "implicit"] = "none", ca: Path | None = None
) -> NotificationSettings:
    changed = {"host": "localhost", "port": port, "tls": tls, "ca_file": ca, "username": "u"}
    return read_settings(NotificationSettings).model_copy(update={**changed, "password": SecretStr("p")})


@pytest.mark.asyncio
async def test_a_database(database_url: str) -> None:
    async with database(database_url) as look:
        await look()
        await look()


@pytest.mark.asyncio
async def test_a_database_that_is_gone(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    async with database(f"sqlite:///{folder}/books.db") as look:
        await look()
        for file in folder.iterdir():
            file.write_bytes(b"this is no database" * 100)
        with pytest.raises(Exception, match=r"malformed|not a database|disk I/O"):
            await look()


@pytest.mark.asyncio
async def test_a_gateway(tmp_path: Path) -> None:
    with running(Sandbox(tmp_path / "gateway")) as sandbox:
        look = gateway(sandbox.url)
        await look()
    with pytest.raises(httpx.ConnectError):
        await look()


@pytest.mark.asyncio
@pytest.mark.parametrize(("status", "there"), [(200, True), (401, True), (404, True), (500, False), (503, False)])
async def test_what_a_gateway_answers(status: int, there: bool) -> None:
    answer = f"HTTP/1.1 {status} So\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
    async with raw_server(answer) as port:
        look = gateway(f"http://127.0.0.1:{port}")
        if there:
            await look()
        else:
            with pytest.raises(ConnectionError, match=f"answers {status}"):
                await look()


@pytest.mark.asyncio
@pytest.mark.parametrize("tls", ["none", "starttls", "implicit"])
async def test_a_mail_server(tls: Literal["none", "starttls", "implicit"], tmp_path: Path) -> None:
    certificate = Certificate.make(tmp_path, "DNS:localhost") if tls != "none" else None
    desk = Desk(login=("u", "p"))
    async with desk_server(desk, tls=tls, certificate=certificate) as port:
        look = mail_server(mail(port, tls, certificate.certificate if certificate else None))
        await look()
    assert (desk.logins, desk.mails) == ([], []), "a look neither logs in nor sends"
    with pytest.raises(aiosmtplib.SMTPConnectError):
        await look()


@pytest.mark.asyncio
async def test_a_mail_server_that_cannot_be_trusted(tmp_path: Path) -> None:
    certificate = Certificate.make(tmp_path, "DNS:localhost")
    async with desk_server(Desk(), tls="implicit", certificate=certificate) as port:
        with pytest.raises((aiosmtplib.SMTPException, ssl.SSLError)):
            await mail_server(mail(port, "implicit"))()


@pytest.mark.asyncio
async def test_a_mail_server_that_says_nothing() -> None:
    async with raw_server(b"", hang=True) as port:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(mail_server(mail(port))(), 0.3)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("factory", "names"),
    [
        (accounts, {"database"}),
        (inventory, {"database"}),
        (payment, {"database", "gateway"}),
        (notification, {"database", "mail server"}),
    ],
    ids=["accounts", "inventory", "payment", "notification"],
)
async def test_each_pool_looks_at_what_it_needs(
    factory: PoolFactory, names: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ACCOUNTS", "INVENTORY", "PAYMENT", "MAIL"):
        monkeypatch.setenv(f"SAGAMESH_{name}_DATABASE", f"sqlite:///{tmp_path}/{name}.db")
    monkeypatch.setenv("SAGAMESH_PAYMENT_KEY", "sk_test_sandbox")

    async with factory() as pool:
        assert pool.dependencies.keys() == names
        await pool.dependencies["database"]()
