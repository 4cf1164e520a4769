"""Notification: mails that are sent once, as far as SMTP allows.

SMTP has no idempotency key. A mail that the server has accepted is written down under the key of its effect, and who
asks again gets the same answer. Two windows stay open, and no client can close them: the server accepted and its answer
was lost, or the worker was killed between the answer and the writing down. The next attempt then sends the mail again.
It bears the same Message-ID, by which a receiver can drop the double; one that does not look shows both.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import ipaddress
import json
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from pathlib import Path
from typing import Final, Literal, Self, TypeAlias

import aiosmtplib
from pydantic import SecretStr
from sqlalchemy import Column, MetaData, String, Table, select
from sqlalchemy.exc import SQLAlchemyError

from mesh_activities.columns import Instant
from mesh_activities.key import KeyReused
from mesh_activities.letter import compose, message_id, parse_address
from mesh_activities.mail_verdict import MailServerUnfit, verdict
from mesh_agents.notification import Delivery, MailRefused, OrderConfirmation, confirm_order
from sagamesh import current_call
from sagamesh.database import Database
from sagamesh.settings import wrong_setting

__all__ = ["MailServerUnfit", "Mailer", "Tls", "metadata"]

_log = logging.getLogger(__name__)

Tls: TypeAlias = Literal["none", "starttls", "implicit"]

metadata = MetaData()
_mails = Table(
    "mails",
    metadata,
    Column("key", String, primary_key=True, comment="names the effect, see sagamesh.current_call"),
    Column("message_id", String, nullable=False),
    Column("digest", String, nullable=False, comment="of the confirmation: the same key may not mean another one"),
    Column("sent_at", Instant, nullable=False),
)

# The engine gives an attempt up after the contract's timeout and starts the next: by then this one has ended.
_PATIENCE: Final = confirm_order.policy.timeout * 0.7
_RECORD_SECONDS: Final = 2.0
_GOODBYE_SECONDS: Final = 0.5
_NO_PASSWORD: Final = SecretStr("")


class Mailer:
    """Serves the agent `notification`, through one mail server.

    - `sender`: the address that mails come from; its domain is also what this client calls itself.
    - `tls`: `implicit` (port 465), `starttls` (587), or `none`. The server's certificate must be valid for `host`.
    - `username`: empty for no login.
    - `timeout`: how long one attempt may take until the server has accepted the mail.
    - `ca_file`: PEM file of the authorities to trust, instead of the system's.

    Raises:
        InvalidInput: for a sender that is no address, or a login that would cross a network in clear text.
        OSError: for a `ca_file` that cannot be read or has no certificate in it.
    """

    def __init__(
        self,
        database: Database,
        host: str,
        port: int,
        sender: str,
        *,
        tls: Tls = "starttls",
        username: str = "",
        password: SecretStr = _NO_PASSWORD,
        timeout: timedelta = _PATIENCE,
        ca_file: Path | None = None,
    ) -> None:
        try:
            self._sender = parse_address(sender)
        except ValueError as error:
            raise wrong_setting("SAGAMESH_MAIL_SENDER", f"is no mail address: {error}") from None
        if username and tls == "none" and not _is_here(host):
            problem = "a login is only sent encrypted (or to this machine), not with `none`"
            raise wrong_setting("SAGAMESH_MAIL_TLS", problem)
        self._database = database
        self._host = host
        self._port = port
        self._server = f"{host}:{port}"  # as messages name it
        self._tls = tls
        self._username = username
        self._password = password
        self._timeout = timeout
        self._context = None if tls == "none" else ssl.create_default_context(cafile=ca_file)

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        database_url: str,
        host: str,
        port: int,
        sender: str,
        *,
        tls: Tls = "starttls",
        username: str = "",
        password: SecretStr = _NO_PASSWORD,
        timeout: timedelta = _PATIENCE,
        ca_file: Path | None = None,
    ) -> AsyncIterator[Self]:
        """Connect to the database of this URL (see `Database.open`), for the length of the block.

        The mail server is not asked before the first mail. Arguments and errors are those of the class.
        """
        async with Database.open(database_url, metadata) as database:
            yield cls(
                database,
                host,
                port,
                sender,
                tls=tls,
                username=username,
                password=password,
                timeout=timeout,
                ca_file=ca_file,
            )

    async def confirm_order(self, confirmation: OrderConfirmation) -> Delivery:
        """Mail the confirmation, unless that was done under this key before.

        Raises:
            MailRefused: the address is none (`code` is None), or the server refuses the mail for good.
            UnsafeText: a name or order id with a line end or another control character.
            KeyReused: the same effect was another mail before.
            MailServerUnfit: the login, the encryption or the certificate is not as configured.
            RetryLater: the server does not answer, or not now.
        """
        key = current_call().key
        to = _recipient(confirmation.to)
        identity = message_id(key, self._sender.domain)
        letter = compose(confirmation, sender=self._sender, to=to, identity=identity)
        client = self._client()
        try:
            async with asyncio.timeout(self._timeout.total_seconds()):
                known = await self._look_up(key, confirmation)
                if known is not None:
                    return known
                await self._submit(client, letter, to)
            # Before saying goodbye: until it is written down, a kill makes a double.
            await self._write_down(key, identity, confirmation)
            await _say_goodbye(client)
        except (aiosmtplib.SMTPException, ssl.SSLError, TimeoutError) as error:
            # Without its cause: the engine writes causes into the history, and this one has seen the login.
            raise verdict(error, to.addr_spec, self._server) from None
        finally:
            client.close()
        return Delivery(message_id=identity)

    def _client(self) -> aiosmtplib.SMTP:
        return aiosmtplib.SMTP(
            hostname=self._host,
            port=self._port,
            use_tls=self._tls == "implicit",
            start_tls=False,  # done by hand, so that its errors can be told from others
            tls_context=self._context,
            timeout=self._timeout.total_seconds(),
            # The default asks the DNS for this machine's name, for every mail.
            local_hostname=self._sender.domain,
        )

    async def _submit(self, client: aiosmtplib.SMTP, letter: EmailMessage, to: Address) -> None:
        await client.connect()
        if self._tls == "starttls":
            await client.ehlo()
            if not client.supports_extension("starttls"):
                raise MailServerUnfit.to_correct(f"{self._server} offers no STARTTLS", None, "TLS")
            await client.starttls()
        if self._username:
            await self._log_in(client)
        await client.send_message(letter, sender=self._sender.addr_spec, recipients=[to.addr_spec])

    async def _log_in(self, client: aiosmtplib.SMTP) -> None:
        await client.ehlo()  # what the server offers may be another thing now that it is encrypted
        methods = {"plain": client.auth_plain, "login": client.auth_login, "cram-md5": client.auth_crammd5}
        # One of them only: to try each would count a wrong password three times towards the account's lock.
        method = next((methods[name] for name in methods if name in client.server_auth_methods), None)
        if method is None:
            raise MailServerUnfit.to_correct(f"{self._server} offers no login", None, "TLS", "USERNAME")
        await method(self._username, self._password.get_secret_value())

    async def _look_up(self, key: str, confirmation: OrderConfirmation) -> Delivery | None:
        async with self._database.reading() as connection:
            row = (await connection.execute(select(_mails).where(_mails.c.key == key))).one_or_none()
        if row is None:
            return None
        if row.digest != _digest(confirmation):
            raise KeyReused(f"{key} was another mail before; nothing was sent", key=key)
        return Delivery(message_id=row.message_id)

    async def _write_down(self, key: str, identity: str, confirmation: OrderConfirmation) -> None:
        values = {
            "key": key,
            "message_id": identity,
            "digest": _digest(confirmation),
            "sent_at": datetime.now(UTC),
        }
        try:
            async with asyncio.timeout(_RECORD_SECONDS), self._database.transaction() as connection:
                await self._database.insert_new(connection, _mails, values)
        except (SQLAlchemyError, OSError, TimeoutError):
            # The mail is out. Failing now would send it again; the answer itself will stop the engine from asking.
            _log.exception("%s was mailed as %s, but that could not be written down", key, identity)


async def _say_goodbye(client: aiosmtplib.SMTP) -> None:
    # The mail is accepted; how the conversation ends after that is of no consequence.
    with contextlib.suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
        async with asyncio.timeout(_GOODBYE_SECONDS):
            await client.quit()


def _recipient(text: str) -> Address:
    try:
        return parse_address(text)
    except ValueError as error:
        raise MailRefused(f"{text!a} is no mail address: {error}", code=None, to=text) from None


def _digest(confirmation: OrderConfirmation) -> str:
    said = [
        confirmation.to,
        confirmation.name,
        confirmation.order_id,
        [[item.sku, item.quantity] for item in confirmation.items],
        confirmation.total.minor,
        confirmation.total.currency,
    ]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
