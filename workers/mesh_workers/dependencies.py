"""What the pools need of the world outside, and how to see that it is there; for `Pool(..., checks=...)`."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias

from sqlalchemy import MetaData, inspect

from mesh_workers.settings import NotificationSettings
from sagamesh.database import Database

__all__ = ["Look", "database", "gateway", "mail_server"]

Look: TypeAlias = Callable[[], Awaitable[object]]


@asynccontextmanager
async def database(url: str) -> AsyncIterator[Look]:
    """The database of this URL says which tables it has. The look has a connection of its own, none of the calls'."""
    async with Database.open(url, MetaData()) as opened:

        async def look() -> None:
            async with opened.reading() as connection:
                # Not SELECT 1, which SQLite answers without looking at its file.
                await connection.run_sync(lambda plain: inspect(plain).get_table_names())

        yield look


def gateway(url: str) -> Look:
    """The gateway answers HTTP. Any answer will do that is no fault of its own: a look has no key, and asks nothing."""
    import httpx  # loaded by the one pool that needs it

    # A proxy from the environment cannot reach this machine's loopback.
    proxied = httpx.URL(url).host not in ("localhost", "127.0.0.1", "::1")

    async def look() -> None:
        async with httpx.AsyncClient(trust_env=proxied) as client:
            answer = await client.get(url, timeout=None)  # the check's own timeout ends it
        if answer.status_code >= 500:
            raise ConnectionError(f"{url} answers {answer.status_code}")

    return look


def mail_server(settings: NotificationSettings) -> Look:
    """The mail server greets, with the encryption that the settings ask for. Nobody logs in, nothing is sent."""
    import aiosmtplib  # loaded by the one pool that needs it

    context = None if settings.tls == "none" else ssl.create_default_context(cafile=settings.ca_file)

    async def look() -> None:
        client = aiosmtplib.SMTP(
            hostname=settings.host,
            port=settings.port,
            use_tls=settings.tls == "implicit",
            start_tls=settings.tls == "starttls",
            tls_context=context,
            timeout=None,
            local_hostname=settings.sender.rpartition("@")[2],
        )
        async with client:
            await client.noop()

    return look
