"""The probes' HTTP server: in a thread of its own, so that it answers also when the event loop stands still."""

from __future__ import annotations

import logging
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any, Final

from sagamesh.errors import InvalidInput
from sagamesh.failure import FieldProblem

__all__ = ["Answer", "probe_server"]

_log = logging.getLogger("sagamesh.health")

_PATIENCE: Final = 5.0
"""Seconds for which a client may be silent."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered to a GET."""

    status: int
    type: str
    body: str


class _Server(socketserver.ThreadingTCPServer):
    # Plain TCP and not http.server.HTTPServer, which asks the DNS for the machine's name before it listens.
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 32

    def handle_error(self, request: Any, client_address: Any) -> None:
        _log.debug("the client at %s is gone", client_address, exc_info=True)


@contextmanager
def probe_server(host: str, port: int, answer: Callable[[str], Answer]) -> Iterator[int]:
    """Serve GET (and HEAD) on this address while the block runs; `answer` gets the path, in a thread of its own.

    Yields the port, which is another than `port` where that is 0.

    Raises:
        InvalidInput: when the address cannot be listened on.
    """

    class Handler(BaseHTTPRequestHandler):
        timeout = _PATIENCE
        server_version = "sagamesh"
        sys_version = ""

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def _answer(self, *, with_body: bool) -> None:
            made = answer(self.path.partition("?")[0])
            body = made.body.encode()
            self.send_response(made.status)
            self.send_header("Content-Type", made.type)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            if with_body:
                self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            _log.debug(format, *args)

    kind = type("_Probes", (_Server,), {"address_family": socket.AF_INET6 if ":" in host else socket.AF_INET})
    try:
        server = kind((host, port), Handler)
    except OSError as error:
        problem = f"{host} port {port} cannot be listened on: {error.strerror or error}"
        raise InvalidInput("the environment", [FieldProblem(field="SAGAMESH_PROBE_PORT", problem=problem)]) from None
    thread = threading.Thread(target=server.serve_forever, name="sagamesh-probes", daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
