"""The probes' HTTP server: in a thread of its own, so that it answers also when the event loop stands still."""

from __future__ import annotations

import logging
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any, Final

from sagamesh.errors import InvalidInput
from sagamesh.failure import FieldProblem

__all__ = ["Answer", "probe_server"]

_log = logging.getLogger("sagamesh.health")

_PATIENCE: Final = 5.0
"""Seconds for which a client may be silent."""

_LONGEST: Final = 30.0
"""Seconds that one connection may take, however it spends them."""

_MOST: Final = 64
"""Connections at a time. Each is a thread and an open file of a process that has better use for both."""

_PAUSE: Final = 0.2


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
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._open: dict[socket.socket, float] = {}
        self._lock = threading.Lock()
        super().__init__(address, handler)

    def get_request(self) -> tuple[Any, Any]:
        try:
            return super().get_request()
        except OSError:
            # Out of files: the client stays in the queue, and asking for it without a pause would take a whole core.
            time.sleep(_PAUSE)
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        # A probe takes milliseconds: whoever is there longest has the least to do with one.
        with self._lock:
            self._open[request] = time.monotonic()
            excess = list(self._open)[:-_MOST]
        _hang_up(excess)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        latest = time.monotonic() - _LONGEST
        with self._lock:
            late = [request for request, since in self._open.items() if since < latest]
        _hang_up(late)

    def handle_error(self, request: Any, client_address: Any) -> None:
        _log.debug("the client at %s is gone", client_address, exc_info=True)


def _hang_up(connections: Iterable[socket.socket]) -> None:
    for connection in connections:
        with suppress(OSError):  # it has gone by itself
            connection.shutdown(socket.SHUT_RDWR)


def _answered(answer: Callable[[str], Answer], path: str) -> Answer:
    try:
        return answer(path)
    except Exception:
        _log.exception("%s cannot be answered", path)
        return Answer(500, "text/plain; charset=utf-8", "it cannot be said: see the log of the process\n")


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
            made = _answered(answer, self.path.partition("?")[0])
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
