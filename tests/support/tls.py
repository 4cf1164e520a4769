"""Certificates, and TLS in front of a server that speaks none."""

from __future__ import annotations

import select
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme

__all__ = ["Pair", "Papers", "issued", "tls_front"]


@dataclass(frozen=True)
class Pair:
    """The files of a certificate and its key."""

    certificate: Path
    key: Path


@dataclass
class Papers:
    """Authorities and what they issue, as files of a folder."""

    folder: Path
    servers: trustme.CA = field(default_factory=trustme.CA)
    clients: trustme.CA = field(default_factory=trustme.CA)
    strangers: trustme.CA = field(default_factory=trustme.CA)

    def authority(self, of: trustme.CA) -> Path:
        """The certificate of an authority."""
        path = self.folder / f"authority-{id(of)}.pem"
        of.cert_pem.write_to_path(path)
        return path

    def client(self, of: trustme.CA, *, expired: bool = False) -> Pair:
        """A client's certificate."""
        leaf = issued(of, "worker@example.org", expired=expired)
        pair = Pair(self.folder / f"client-{id(leaf)}.pem", self.folder / f"client-{id(leaf)}.key")
        leaf.cert_chain_pems[0].write_to_path(pair.certificate)
        leaf.private_key_pem.write_to_path(pair.key)
        return pair


def issued(of: trustme.CA, name: str, *, expired: bool = False) -> trustme.LeafCert:
    """A certificate for this name; an expired one expired yesterday."""
    yesterday = datetime.now(UTC) - timedelta(days=1)
    if expired:
        return of.issue_cert(name, not_before=yesterday - timedelta(days=1), not_after=yesterday)
    return of.issue_cert(name)


class _Front(socketserver.ThreadingTCPServer):
    # Threads, because asyncio drops the alert by which a server says what it has against a client's certificate.
    daemon_threads = True
    block_on_close = False
    context: ssl.SSLContext
    behind: tuple[str, int]


class _Connection(socketserver.BaseRequestHandler):
    server: _Front

    def handle(self) -> None:
        context = self.server.context
        with (
            suppress(OSError),
            context.wrap_socket(self.request, server_side=True, do_handshake_on_connect=False) as secured,
            socket.create_connection(self.server.behind) as behind,
        ):
            secured.do_handshake()
            while True:
                ready = [secured] if secured.pending() else select.select([secured, behind], [], [])[0]
                for source, target in ((secured, behind), (behind, secured)):
                    if source in ready:
                        data = source.recv(65536)
                        if not data:
                            return
                        target.sendall(data)


@contextmanager
def tls_front(target: str, leaf: trustme.LeafCert, *, clients: trustme.CA | None = None) -> Iterator[str]:
    """The address at which TLS is spoken, and handed on to `target` without; `clients` for mutual TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(context)
    context.set_alpn_protocols(["h2"])
    if clients is not None:
        clients.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    host, _, port = target.partition(":")
    with _Front(("127.0.0.1", 0), _Connection) as front:
        front.context, front.behind = context, (host, int(port))
        serving = threading.Thread(target=front.serve_forever, daemon=True)
        serving.start()
        try:
            yield f"127.0.0.1:{front.server_address[1]}"
        finally:
            front.shutdown()
            serving.join()
