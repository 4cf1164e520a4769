"""A mail server for the embedded stack: it takes every mail and keeps it where one can read it.

    python -m mesh_workers.sandbox.mailbox --host 127.0.0.1 --port 1025 --dir FOLDER

SMTP on the port, HTTP on the next: GET / (for people), GET /mails (JSON), GET /mails/{file}, GET /health. The mails are
.eml files in FOLDER. A mail with a Message-ID that is there already is dropped. Three domains are the real world:

| recipient | what happens |
|---|---|
| `anybody@down.example` | 421, and the connection is closed |
| `anybody@refused.example` | 550 |
| `anybody@slow.example` | the mail is kept at once, the answer comes some seconds later |
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import FrameType

import uvicorn
from aiosmtpd.smtp import SMTP, Envelope, Session
from starlette.applications import Starlette

from mesh_workers.sandbox.mailbox_app import make_app
from mesh_workers.sandbox.mailbox_store import MailStore

__all__ = ["main"]

_log = logging.getLogger("mailbox")

_SLOW_SECONDS = 3
_GRACE_SECONDS = 1


class Reception:
    """What the server answers, and when. The methods are aiosmtpd's hooks."""

    def __init__(self, store: MailStore, slow: float) -> None:
        self.store = store
        self._slow = slow

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Refuse the recipients for whom the server is down, or does not want to know."""
        match _domain(address):
            case "down.example":
                _log.info("down for %s", address)
                if server.transport is not None:
                    # After the answer, which is written before the loop comes to this.
                    asyncio.get_running_loop().call_soon(server.transport.close)
                return "421 4.3.2 The mail server is down for this domain"
            case "refused.example":
                _log.info("refused %s", address)
                return "550 5.1.1 No such mailbox"
            case _:
                envelope.rcpt_tos.append(address)
                return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Keep the mail."""
        content = envelope.original_content or b""
        mail, is_new = self.store.keep(content, envelope.mail_from or "", envelope.rcpt_tos)
        if is_new:
            _log.info("kept %s for %s as %s", mail.message_id or "a mail without Message-ID", mail.to, mail.file)
        else:
            _log.info("dropped a double of %s", mail.message_id)
        if any(_domain(address) == "slow.example" for address in envelope.rcpt_tos):
            await asyncio.sleep(self._slow)
        return "250 OK"

    async def handle_exception(self, error: Exception) -> str:
        """A fault of ours, such as a full disk, is none of the mail's: it may come again."""
        _log.error("could not keep a mail", exc_info=error)
        return f"451 4.3.0 {type(error).__name__} in the mail server"


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM or SIGINT. The first line on standard output is both addresses, once they can be used."""
    parser = argparse.ArgumentParser(prog="python -m mesh_workers.sandbox.mailbox", description="A mail sandbox.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=1025, help="of SMTP; 0 takes a free one")
    parser.add_argument("--http-port", type=int, help="of HTTP; the one after --port if not given")
    parser.add_argument("--dir", type=Path, required=True, help="where the mails are kept")
    parser.add_argument("--slow", type=float, default=_SLOW_SECONDS, metavar="SECONDS", help="for slow.example")
    chosen = parser.parse_args(arguments)
    http_port = chosen.http_port if chosen.http_port is not None else chosen.port and chosen.port + 1

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    logging.getLogger("mail.log").setLevel(logging.WARNING)  # aiosmtpd's, which has a line for every command
    # The server repeats the signal when it has stopped; without this the process would die of it instead of ending.
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, _end)
    with _listen(chosen.host, chosen.port) as smtp, _listen(chosen.host, http_port) as http:
        reception = Reception(MailStore(chosen.dir), chosen.slow)
        print(f"smtp://{_address(smtp)} http://{_address(http)}", flush=True)  # noqa: T201
        _serve(smtp, http, reception)


def _serve(smtp: socket.socket, http: socket.socket, reception: Reception) -> None:
    @asynccontextmanager
    async def mail_server(_: Starlette) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()

        def protocol() -> SMTP:
            # The host name is given because the default asks the DNS for it, at every connection.
            return SMTP(reception, enable_SMTPUTF8=True, hostname="mailbox", ident="Sagamesh sandbox", loop=loop)

        server = await loop.create_server(protocol, sock=smtp)
        try:
            yield
        finally:
            server.close()

    config = uvicorn.Config(
        make_app(reception.store, mail_server),
        http="h11",
        ws="none",
        loop="asyncio",
        log_config=None,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    uvicorn.Server(config).run(sockets=[http])


def _listen(host: str, port: int) -> socket.socket:
    try:
        listener = socket.create_server((host, port), backlog=512)
    except (OSError, OverflowError) as error:
        sys.exit(f"mailbox: cannot listen on {host}:{port}: {error}")
    # Inherited by its connections. asyncio sets it only on sockets that it made itself, and without it the answer to
    # EHLO, which is sent in pieces, waits 40 ms for an acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"{host}:{port}"


def _domain(address: str) -> str:
    return address.rpartition("@")[2].lower()


def _end(_: int, __: FrameType | None) -> None:
    sys.exit(0)


if __name__ == "__main__":
    main()
