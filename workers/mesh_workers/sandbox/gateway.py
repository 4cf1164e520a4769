"""A payment gateway for the embedded stack, which speaks the part of Stripe's API that the payment agent uses.

    python -m mesh_workers.sandbox.gateway --host 127.0.0.1 --port 8420 --dir FOLDER

It moves no money. It keeps its books in FOLDER, honours idempotency keys as Stripe does, and its cards fail in the ways
of the real world (see `gateway_cards`). Outside /v1 and without a key: GET /books (JSON, amounts in minor units), GET /
(the same for people), GET /health.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from mesh_workers.sandbox.books import Books
from mesh_workers.sandbox.gateway_app import Gateway

__all__ = ["main"]

_DAY = 24 * 3600
# Stopping must be quick; no request needs longer, apart from those that hang on purpose and are told to end.
_GRACE_SECONDS = 1
# Longer than clients keep idle connections, so that it is not the server who closes one under a request.
_KEEP_ALIVE_SECONDS = 75


class _Protocol(H11Protocol):
    """HTTP over a connection that the application may break, which no server offers by itself."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in the base class
        super().connection_made(transport)
        self.app_state = {**self.app_state, "drop": transport.abort}


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, gateway: Gateway) -> None:
        super().__init__(config)
        self._gateway = gateway

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._gateway.closing.set()
        await super().shutdown(sockets)


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM or SIGINT. The first line on standard output is the address, once connections are taken."""
    parser = argparse.ArgumentParser(prog="python -m mesh_workers.sandbox.gateway", description="A payment sandbox.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8420, help="0 takes a free one")
    parser.add_argument("--dir", type=Path, required=True, help="where the books are kept")
    parser.add_argument("--keep-keys", type=float, default=_DAY, metavar="SECONDS", help="idempotency keys; a day")
    chosen = parser.parse_args(arguments)

    # The server repeats the signal when it has stopped; without this the process would die of it instead of ending.
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, _end)
    try:
        listener = socket.create_server((chosen.host, chosen.port), backlog=512)
    except OSError as error:
        parser.exit(1, f"cannot listen on {chosen.host}:{chosen.port}: {error.strerror}\n")
    books = Books(chosen.dir, keep_keys=chosen.keep_keys)
    try:
        host, port = listener.getsockname()[:2]
        print(f"http://{host}:{port}", flush=True)  # noqa: T201
        gateway = Gateway(books)
        config = uvicorn.Config(
            gateway.app,
            http=_Protocol,
            ws="none",
            lifespan="off",
            log_level="warning",
            access_log=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
        _Server(config, gateway).run(sockets=[listener])
    finally:
        listener.close()
        books.close()


def _end(_: int, __: FrameType | None) -> None:
    sys.exit(0)


if __name__ == "__main__":
    main()
