"""What can stand between a process and its Temporal server, and the sentence that says so."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

__all__ = ["MINIMUM_SERVER", "Kind", "Obstacle", "Sight", "is_too_old", "obstacle", "too_old"]

MINIMUM_SERVER: Final = (1, 29)
"""The first server that keeps rates for a queue as told, by which breakers stop calls, and is fair between tenants."""

Kind: TypeAlias = Literal[
    "UnknownHost",
    "NobodyListens",
    "NoRoute",
    "NetworkError",
    "NoAnswer",
    "Silent",
    "Closed",
    "NotTemporal",
    "TlsNeeded",
    "TlsNotSpoken",
    "UntrustedCertificate",
    "ExpiredCertificate",
    "CertificateOfAnotherName",
    "ClientCertificateNeeded",
    "ClientCertificateRefused",
    "NoEntry",
    "ServerTooOld",
]


@dataclass(frozen=True, slots=True)
class Sight:
    """What one look at the address saw: an obstacle's kind, or `Speaks` where the protocol as such is spoken.

    - `detail`: in the other side's or the system's words.
    """

    kind: Kind | Literal["Speaks"]
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why the server cannot be used.

    - `what`: how the sentence that begins with "the Temporal server at ..." goes on.
    - `advice`: what to do next.
    """

    kind: Kind
    what: str
    advice: str


_ADDRESS: Final = "Start the embedded one with `sagamesh up`, or set TEMPORAL_ADDRESS to yours"
_CLIENT_PAIR: Final = "TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH"
_CREDENTIALS: Final = "Check TEMPORAL_API_KEY and TEMPORAL_TLS*, or the profile that TEMPORAL_PROFILE names"

_KNOWN: Final[dict[Kind, tuple[str, str]]] = {
    "UnknownHost": ("does not answer: its name is not known", "Correct TEMPORAL_ADDRESS, or look at the DNS"),
    "NobodyListens": ("does not answer: nothing listens there", _ADDRESS),
    "NoRoute": ("does not answer: no connection at all, as behind a firewall", _ADDRESS),
    "NetworkError": ("does not answer: the network says {detail}", _ADDRESS),
    "NoAnswer": (
        "does not answer",
        f"{_ADDRESS}; `sagamesh doctor` looks for the cause",
    ),
    "Silent": (
        "does not answer as a Temporal server: something listens there, and says nothing",
        _ADDRESS,
    ),
    "Closed": (
        "does not answer as a Temporal server: it closes the connection",
        "Check the address; where it wants a client certificate, set " + _CLIENT_PAIR,
    ),
    "NotTemporal": (
        "does not answer as a Temporal server: {detail}",
        "Set TEMPORAL_ADDRESS to the server's gRPC port, 7233 by default, not that of its Web UI or HTTP API",
    ),
    "TlsNeeded": (
        "speaks TLS, and this process does not",
        "Set TEMPORAL_TLS=true, and TEMPORAL_TLS_SERVER_CA_CERT_PATH for an authority of your own",
    ),
    "TlsNotSpoken": (
        "does not speak TLS, and this process does",
        "Unset TEMPORAL_TLS* and TEMPORAL_API_KEY, or set TEMPORAL_ADDRESS to the port with TLS",
    ),
    "UntrustedCertificate": (
        "is not trusted: {detail}",
        "Set TEMPORAL_TLS_SERVER_CA_CERT_PATH to the certificate of the authority that issued the server's",
    ),
    "ExpiredCertificate": ("is not trusted: {detail}", "Renew the server's certificate; is the clock here right?"),
    "CertificateOfAnotherName": (
        "is not trusted: {detail}",
        "Set TEMPORAL_TLS_SERVER_NAME to the name in the server's certificate, or TEMPORAL_ADDRESS to that name",
    ),
    "ClientCertificateNeeded": ("wants a client certificate, and none is set", f"Set {_CLIENT_PAIR}"),
    "ClientCertificateRefused": (
        "refuses this process's client certificate: {detail}",
        "Renew it, or take one of an authority that the server trusts; "
        "`openssl x509 -noout -issuer -enddate -in FILE` shows both",
    ),
    "NoEntry": ("lets nobody in with these credentials: {detail}", _CREDENTIALS),
    "ServerTooOld": ("is too old: {detail}", "Upgrade it"),
}

_STATUS: Final = re.compile(r'Status \{ code: (\w+), message: "([^"]*)"')
_NO_ENTRY: Final = ("Unauthenticated", "PermissionDenied")


def obstacle(sight: Sight, said: str) -> Obstacle:
    """From what was seen to what is said of it.

    - `said`: what the SDK reported; it counts where the protocol as such is spoken.
    """
    if sight.kind != "Speaks":
        return _of(sight.kind, sight.detail)
    status = _STATUS.search(said)
    if status is None:
        return _of("NotTemporal", said or "it does not say why")
    code, message = status.groups()
    return _of("NoEntry" if code in _NO_ENTRY else "NotTemporal", message or code)


def is_too_old(version: str) -> bool:
    """Whether a server of this version lacks what Sagamesh needs. One that says no version is taken as it is."""
    found = re.match(r"v?(\d+)\.(\d+)", version)
    return found is not None and (int(found[1]), int(found[2])) < MINIMUM_SERVER


def too_old(version: str) -> Obstacle:
    """What is said of such a server."""
    least = ".".join(map(str, MINIMUM_SERVER))
    return _of("ServerTooOld", f"it is {version or 'of an unknown version'}, and Sagamesh needs {least} or later")


def _of(kind: Kind, detail: str) -> Obstacle:
    what, advice = _KNOWN[kind]
    return Obstacle(kind, what.replace("{detail}", detail), advice)
