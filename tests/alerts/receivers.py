"""What Alertmanager tells, and the figures that make it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["Exchange", "exchange"]


@dataclass
class Exchange:
    """Serves figures to Prometheus at `/metrics`, and takes what Alertmanager sends to any other path.

    - `figures`: samples, without labels that the scrape adds.
    - `told`: by path, each alert that a webhook was sent, in order.
    """

    port: int = 0
    figures: dict[str, float] = field(default_factory=dict)
    told: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def heard(self, path: str) -> list[tuple[str, str]]:
        """The alerts that were told there, each as (name and agent, status)."""
        return [(each["labels"]["alertname"], each["status"]) for each in self.told.get(path, [])]


@contextmanager
def exchange() -> Iterator[Exchange]:
    """Listen while the block runs."""
    made = Exchange()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = "".join(f"{name} {value}\n" for name, value in list(made.figures.items()))
            self._answer(page.encode())

        def do_POST(self) -> None:
            sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            made.told.setdefault(self.path, []).extend(sent["alerts"])
            self._answer(b"")

        def _answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        made.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()
