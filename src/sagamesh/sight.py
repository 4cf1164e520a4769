"""One look at an address by plain sockets, for the cause that the SDK's own report leaves open."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sagamesh.obstacle import Sight

__all__ = ["Tls", "look"]

_STEP: Final = 2.0
"""Seconds for one step: connecting, the handshake, the first bytes."""

_UNASKED: Final = 0.5
"""Seconds for which it is waited whether the server says something by itself."""

_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
"""How every client of HTTP/2 begins, which gRPC is: the fixed words, and an empty SETTINGS frame."""

_SETTINGS: Final = 4
_EXPIRED: Final = 10
_OTHER_NAMES: Final = (62, 64)
"""OpenSSL's numbers for a certificate that has expired, and for one of another host or address."""

_ABOUT_CLIENTS: Final = ("CERTIFICATE", "UNKNOWN_CA", "HANDSHAKE_FAILURE")
"""Words of the alerts that a server sends when it does not like the client's certificate, or that there is none."""


@dataclass(frozen=True, slots=True)
class Tls:
    """How the process would speak TLS.

    - `authority`: PEM text of what is trusted; None for what the system trusts.
    - `name`: the name that the server's certificate must have; None for the host.
    - `pair`: files of the client's certificate and key; None where there is none, or it is in no file.
    - `client`: whether the process has a client certificate at all.
    """

    authority: str | None = None
    name: str | None = None
    pair: tuple[Path, Path] | None = None
    client: bool = False


def look(host: str, port: int, tls: Tls | None) -> Sight:
    """Connect and begin to talk as the process would. Blocks for a few seconds at most; changes nothing."""
    try:
        with socket.create_connection((host, port), timeout=_STEP) as connection:
            return _plain(connection, host, port) if tls is None else _encrypted(connection, host, tls)
    except socket.gaierror as error:
        return Sight("UnknownHost", str(error.strerror))
    except ConnectionRefusedError:
        return Sight("NobodyListens")
    except TimeoutError:
        return Sight("NoRoute")
    except OSError as error:
        return Sight("NetworkError", str(error.strerror or error))


def _plain(connection: socket.socket, host: str, port: int) -> Sight:
    seen = _first_words(connection)
    if seen.kind != "Speaks" and _greets_by_tls(host, port):
        return Sight("TlsNeeded")
    return seen


def _encrypted(connection: socket.socket, host: str, tls: Tls) -> Sight:
    context = ssl.create_default_context(cadata=tls.authority)
    context.set_alpn_protocols(["h2"])
    if tls.pair is not None:
        context.load_cert_chain(*tls.pair)
    try:
        with context.wrap_socket(connection, server_hostname=tls.name or host) as secured:
            # Since TLS 1.3 the server says only now what it thinks of the client's certificate. Words sent to one that
            # has closed already would make the system drop what it said.
            return _unasked(secured, tls) or _first_words(secured, tls)
    except ssl.SSLCertVerificationError as error:
        return _distrust(error)
    except ssl.SSLError as error:
        return _alert(error, tls)
    except TimeoutError:
        return Sight("Silent")
    except OSError:
        return Sight("Closed")


def _unasked(connection: socket.socket, tls: Tls) -> Sight | None:
    """What the server says by itself, as most do; None while it waits for the client."""
    connection.settimeout(_UNASKED)
    try:
        return _heard(connection.recv(16))
    except TimeoutError:
        return None
    except ssl.SSLError as error:
        return _alert(error, tls)
    except OSError:
        return Sight("Closed")
    finally:
        connection.settimeout(_STEP)


def _first_words(connection: socket.socket, tls: Tls | None = None) -> Sight:
    try:
        connection.sendall(_PREFACE)
        return _heard(connection.recv(16))
    except TimeoutError:
        return Sight("Silent")
    except ssl.SSLError as error:
        return _alert(error, tls or Tls())
    except OSError:
        return Sight("Closed")


def _heard(answer: bytes) -> Sight:
    if not answer:
        return Sight("Closed")
    if answer[3:4] == bytes([_SETTINGS]):
        return Sight("Speaks")
    if answer.startswith(b"HTTP/"):
        return Sight("NotTemporal", "it answers as a web server")
    return Sight("NotTemporal", "it speaks another protocol")


def _greets_by_tls(host: str, port: int) -> bool:
    context = ssl.create_default_context()
    context.check_hostname = False
    # Only whether it speaks TLS is asked: nothing is sent to it, and nothing it says is believed.
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection((host, port), timeout=_STEP) as connection,
            context.wrap_socket(connection, server_hostname=host),
        ):
            return True
    except OSError:
        return False


def _distrust(error: ssl.SSLCertVerificationError) -> Sight:
    detail = error.verify_message.rstrip(".")
    if error.verify_code == _EXPIRED:
        return Sight("ExpiredCertificate", detail)
    if error.verify_code in _OTHER_NAMES:
        return Sight("CertificateOfAnotherName", detail)
    return Sight("UntrustedCertificate", detail)


def _alert(error: ssl.SSLError, tls: Tls) -> Sight:
    said = error.reason or str(error)
    if isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return Sight("Closed")
    if "ALERT" not in said:
        return Sight("TlsNotSpoken", said)
    detail = said.partition("ALERT_")[2].replace("_", " ").lower()
    if not any(word in said for word in _ABOUT_CLIENTS):
        return Sight("NotTemporal", f"it refuses TLS: {detail}")
    if not tls.client:
        return Sight("ClientCertificateNeeded", detail)
    # Without its files the look goes without the certificate, and learns only that one is wanted.
    return Sight("ClientCertificateRefused", detail if tls.pair is not None else "no reason could be had")
