"""How processes reach the Temporal server."""

from __future__ import annotations

import asyncio
import os
import ssl
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from temporalio.api.workflowservice.v1 import GetSystemInfoRequest
from temporalio.client import Client
from temporalio.envconfig import ClientConfigProfile, ClientConfigTLS, ClientConnectConfig
from temporalio.plugin import SimplePlugin
from temporalio.service import RPCError, TLSConfig

from sagamesh.errors import DefinitionError, InvalidInput, ServerUnreachable
from sagamesh.failure import FieldProblem
from sagamesh.obstacle import Obstacle, Sight, is_too_old, obstacle, too_old
from sagamesh.plugin import SagameshPlugin
from sagamesh.sight import Tls, look

__all__ = ["DEFAULT_ADDRESS", "configured", "connect_temporal", "unreachable"]

DEFAULT_ADDRESS = "localhost:7233"

CONNECT_WITHIN: Final = 8.0
"""Seconds. What accepts a connection and then says nothing would hold up the SDK for half a minute."""

_SUBJECT: Final = "the connection to Temporal"


async def connect_temporal(
    *, plugin: SimplePlugin | None = None, address: str | None = None, identity: str | None = None
) -> Client:
    """Connect as the standard environment and profile file say (TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TLS, API key).

    - `address`: `host:port` where neither the environment nor a profile names one; default `localhost:7233`.

    Raises:
        ServerUnreachable: when the server does not answer, is not trusted, lets nobody in, or is too old; the message
            says which, and what to do.
        InvalidInput: when the address is none, or a certificate or key cannot be used.
        DefinitionError: when the environment or the profile file cannot be read.
    """
    profile = _profile()
    config = _connect_config(profile)
    target = config.setdefault("target_host", address or DEFAULT_ADDRESS)
    host, port = _host_and_port(target)
    tls = _tls(profile, config.get("tls"))
    namespace = config.get("namespace", "default")
    try:
        async with asyncio.timeout(CONNECT_WITHIN):
            client = await Client.connect(**config, plugins=[plugin or SagameshPlugin()], identity=identity)
            # As soon as it connects the SDK asks the same, and keeps the answer to itself.
            info = await client.workflow_service.get_system_info(GetSystemInfoRequest())
    except (RuntimeError, TimeoutError, RPCError) as error:
        seen = await asyncio.to_thread(look, host, port, tls)
        raise _error(target, namespace, obstacle(seen, str(error))) from error
    if is_too_old(info.server_version):
        raise _error(target, namespace, too_old(info.server_version))
    return client


def configured() -> ClientConnectConfig:
    """What the standard environment and profile file say.

    Raises:
        DefinitionError: when they cannot be read.
    """
    return _connect_config(_profile())


def unreachable(target: str, namespace: str) -> ServerUnreachable:
    """The error for a server that does not answer any more, with what to do."""
    return _error(target, namespace, obstacle(Sight("NoAnswer"), ""))


def _error(target: str, namespace: str, found: Obstacle) -> ServerUnreachable:
    return ServerUnreachable(
        f"the Temporal server at {target} (namespace {namespace}) {found.what}. {found.advice}",
        reason=found.kind,
        what=found.what,
        advice=found.advice,
    )


def _profile() -> ClientConfigProfile:
    try:
        return ClientConfigProfile.load()
    except Exception as error:  # the SDK raises plain RuntimeError and ValueError here
        raise DefinitionError(f"the Temporal profile or environment is not valid: {error}") from error


def _connect_config(profile: ClientConfigProfile) -> ClientConnectConfig:
    try:
        return profile.to_client_connect_config()
    except OSError as error:  # a certificate or key that is not there, or may not be read
        name = _setting_of(profile.tls, Path(error.filename)) if profile.tls and error.filename else "a file"
        raise _invalid(name, f"{error.filename} cannot be read: {error.strerror}") from None


def _host_and_port(target: str) -> tuple[str, int]:
    name = "TEMPORAL_ADDRESS" if os.environ.get("TEMPORAL_ADDRESS") else "the address"
    try:
        parts = urlsplit(f"//{target}")
        host, port = (parts.hostname, parts.port) if parts.netloc == target and "@" not in target else (None, None)
    except ValueError:  # brackets that do not match, a port that is no number
        host, port = None, None
    if not host or port is None:
        raise _invalid(name, f"{target!r} is not host:port, such as {DEFAULT_ADDRESS}")
    return host, port


def _tls(profile: ClientConfigProfile, wanted: TLSConfig | bool | None) -> Tls | None:
    """How the process speaks TLS, once it is sure that it can; None for not at all."""
    if not wanted:
        return None
    if not isinstance(wanted, TLSConfig):
        return Tls()
    if (wanted.client_cert is None) != (wanted.client_private_key is None):
        lacking = "CLIENT_CERT" if wanted.client_cert is None else "CLIENT_KEY"
        raise _invalid(f"TEMPORAL_TLS_{lacking}_PATH", "a client certificate and its key are of use together only")
    authority = None
    if wanted.server_root_ca_cert is not None:
        try:
            authority = wanted.server_root_ca_cert.decode("ascii")
            ssl.create_default_context(cadata=authority)
        except (ValueError, ssl.SSLError):  # what is not ASCII, and what is no certificate
            name = _named("SERVER_CA_CERT", profile.tls.server_root_ca_cert if profile.tls else None)
            raise _invalid(name, "it holds no certificate in PEM form") from None
    return Tls(authority, wanted.domain, _pair(profile.tls), client=wanted.client_cert is not None)


def _pair(tls: ClientConfigTLS | None) -> tuple[Path, Path] | None:
    """The files of the client's certificate and key, which fit each other; None where they are not in files."""
    if tls is None or not isinstance(tls.client_cert, Path) or not isinstance(tls.client_private_key, Path):
        return None
    try:
        # Without a password for the key: asked on the terminal, it would wait for ever where there is nobody.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(
            tls.client_cert, tls.client_private_key, password=lambda: b""
        )
    except ssl.SSLError as error:
        name = _named("CLIENT_KEY", tls.client_private_key)
        said = (error.reason or str(error)).replace("_", " ").lower()
        problem = f"it is no key without a password that fits {tls.client_cert}: {said}"
        raise _invalid(name, problem) from None
    return tls.client_cert, tls.client_private_key


def _setting_of(tls: ClientConfigTLS, file: Path) -> str:
    """The setting that names this file."""
    if file == tls.server_root_ca_cert:
        return _named("SERVER_CA_CERT", file)
    return _named("CLIENT_CERT" if file == tls.client_cert else "CLIENT_KEY", file)


def _named(what: str, source: object) -> str:
    """Where the source of a certificate or key was set: a variable, or the profile."""
    for kind in ("PATH", "DATA"):
        variable = f"TEMPORAL_TLS_{what}_{kind}"
        if os.environ.get(variable) and (kind == "DATA" or str(source) == os.environ[variable]):
            return variable
    return f"tls.{what.lower()}_path of the profile"


def _invalid(field: str, problem: str) -> InvalidInput:
    return InvalidInput(_SUBJECT, [FieldProblem(field=field, problem=problem)])
