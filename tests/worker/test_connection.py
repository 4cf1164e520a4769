"""What keeps a process from its Temporal server, and what it says then."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
import pytest_asyncio
from temporalio.testing import WorkflowEnvironment

from sagamesh import connection
from sagamesh.connection import connect_temporal
from sagamesh.errors import DefinitionError, InvalidInput, ServerUnreachable
from sagamesh.obstacle import Kind, Sight, is_too_old, obstacle
from sagamesh.reply import described_namespace
from sagamesh.testing import dev_server
from tests.support.answering import answering, response
from tests.support.protocol_servers import protocol_server
from tests.support.tls import Pair, Papers, issued, tls_front

pytestmark = pytest.mark.asyncio(loop_scope="module")

Set = Callable[..., None]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[str]:
    async with dev_server() as environment:
        yield address_of(environment)


def address_of(environment: WorkflowEnvironment) -> str:
    return environment.client.service_client.config.target_host


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    return Papers(tmp_path_factory.mktemp("papers"))


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting but the test's."""
    for name in list(os.environ):
        if name.startswith("TEMPORAL_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", os.devnull)


@pytest.fixture
def set_to(monkeypatch: pytest.MonkeyPatch) -> Set:
    """Sets variables: `address="..."` for TEMPORAL_ADDRESS, `tls_server_ca_cert_path=...` and so on."""

    def to(**settings: object) -> None:
        for name, value in settings.items():
            monkeypatch.setenv(f"TEMPORAL_{name.upper()}", str(value))

    return to


def shown(pair: Pair) -> dict[str, Path]:
    return {"tls_client_cert_path": pair.certificate, "tls_client_key_path": pair.key}


async def hindered() -> tuple[str, str]:
    """The reason, and the message, for which nobody connects."""
    with pytest.raises(ServerUnreachable) as caught:
        await connect_temporal()
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"the Temporal server at {os.environ['TEMPORAL_ADDRESS']} (namespace default) ")
    assert message.endswith(caught.value.advice)
    return caught.value.reason, message


async def test_an_authority_that_is_not_trusted(server: str, papers: Papers, set_to: Set) -> None:
    with tls_front(server, issued(papers.servers, "127.0.0.1")) as address:
        set_to(address=address, tls_server_ca_cert_path=papers.authority(papers.strangers))
        reason, message = await hindered()
    assert reason == "UntrustedCertificate"
    assert "Set TEMPORAL_TLS_SERVER_CA_CERT_PATH to the certificate of the authority" in message


async def test_an_authority_that_the_system_does_not_know(server: str, papers: Papers, set_to: Set) -> None:
    with tls_front(server, issued(papers.servers, "127.0.0.1")) as address:
        set_to(address=address, tls="true")
        assert (await hindered())[0] == "UntrustedCertificate"


async def test_a_certificate_that_has_expired(server: str, papers: Papers, set_to: Set) -> None:
    with tls_front(server, issued(papers.servers, "127.0.0.1", expired=True)) as address:
        set_to(address=address, tls_server_ca_cert_path=papers.authority(papers.servers))
        reason, message = await hindered()
    assert reason == "ExpiredCertificate"
    assert "certificate has expired. Renew the server's certificate" in message


async def test_a_certificate_of_another_name(server: str, papers: Papers, set_to: Set) -> None:
    with tls_front(server, issued(papers.servers, "temporal.example")) as address:
        set_to(address=address, tls_server_ca_cert_path=papers.authority(papers.servers))
        reason, message = await hindered()
        assert reason == "CertificateOfAnotherName"
        assert "Set TEMPORAL_TLS_SERVER_NAME" in message

        set_to(tls_server_name="temporal.example")
        await connect_temporal()


@pytest.mark.parametrize(
    ("shows", "reason", "detail"),
    [
        ("nothing", "ClientCertificateNeeded", "Set TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH"),
        ("a stranger's", "ClientCertificateRefused", "unknown ca"),
        ("an expired one", "ClientCertificateRefused", "certificate expired"),
        ("a stranger's, not as files", "ClientCertificateRefused", "no reason could be had"),
    ],
)
async def test_mutual_tls(server: str, papers: Papers, set_to: Set, shows: str, reason: str, detail: str) -> None:
    with tls_front(server, issued(papers.servers, "127.0.0.1"), clients=papers.clients) as address:
        set_to(address=address, tls_server_ca_cert_path=papers.authority(papers.servers))
        stranger = papers.client(papers.strangers)
        match shows:
            case "a stranger's":
                set_to(**shown(stranger))
            case "an expired one":
                set_to(**shown(papers.client(papers.clients, expired=True)))
            case "a stranger's, not as files":
                set_to(tls_client_cert_data=stranger.certificate.read_text("ascii"))
                set_to(tls_client_key_data=stranger.key.read_text("ascii"))
        found, message = await hindered()
    assert found == reason
    assert detail in message


@pytest.mark.parametrize("by", ["variables", "data", "profile"])
async def test_mutual_tls_as_it_should_be(server: str, papers: Papers, set_to: Set, tmp_path: Path, by: str) -> None:
    authority, pair = papers.authority(papers.servers), papers.client(papers.clients)
    with tls_front(server, issued(papers.servers, "127.0.0.1"), clients=papers.clients) as address:
        match by:
            case "variables":
                set_to(address=address, tls_server_ca_cert_path=authority, **shown(pair))
            case "data":
                set_to(address=address, tls_server_ca_cert_data=authority.read_text("ascii"))
                set_to(tls_client_cert_data=pair.certificate.read_text("ascii"))
                set_to(tls_client_key_data=pair.key.read_text("ascii"))
            case "profile":
                profile = tmp_path / "temporal.toml"
                profile.write_text(
                    f'[profile.prod]\naddress = "{address}"\n[profile.prod.tls]\n'
                    f'server_ca_cert_path = "{authority}"\n'
                    f'client_cert_path = "{pair.certificate}"\nclient_key_path = "{pair.key}"\n',
                    encoding="utf-8",
                )
                set_to(config_file=profile, profile="prod")
        client = await connect_temporal()
        assert (await described_namespace(client)).namespace_info.name == "default"


async def test_tls_on_one_side_only(server: str, papers: Papers, set_to: Set) -> None:
    with tls_front(server, issued(papers.servers, "127.0.0.1")) as address:
        set_to(address=address)
        reason, message = await hindered()
    assert reason == "TlsNeeded"
    assert "Set TEMPORAL_TLS=true" in message

    set_to(address=server, tls="true")
    reason, message = await hindered()
    assert reason == "TlsNotSpoken"
    assert "Unset TEMPORAL_TLS*" in message


async def test_a_web_server(set_to: Set) -> None:
    async with answering(lambda _: response("200 OK", "hello")) as url:
        set_to(address=url.removeprefix("http://"))
        reason, message = await hindered()
    assert reason == "NotTemporal"
    assert "it answers as a web server. Set TEMPORAL_ADDRESS to the server's gRPC port" in message


@asynccontextmanager
async def raw(serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]) -> AsyncIterator[str]:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def closing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def babbling(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-OpenSSH_9.2p1 Debian\r\n")
    writer.close()


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


@pytest.mark.parametrize(
    ("serve", "reason"),
    [(closing, "Closed"), (babbling, "NotTemporal"), (silent, "Silent")],
)
async def test_something_else_listens(
    set_to: Set,
    monkeypatch: pytest.MonkeyPatch,
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    reason: str,
) -> None:
    monkeypatch.setattr(connection, "CONNECT_WITHIN", 0.5)  # for the one that is silent; the command line has the whole
    async with raw(serve) as address:
        set_to(address=address)
        assert (await hindered())[0] == reason


@pytest.mark.parametrize(
    ("address", "reason"), [("127.0.0.1:1", "NobodyListens"), ("no-such-host.invalid:7233", "UnknownHost")]
)
async def test_nothing_listens(set_to: Set, address: str, reason: str) -> None:
    set_to(address=address)
    assert (await hindered())[0] == reason


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (grpc.StatusCode.UNAUTHENTICATED, "invalid API key"),
        (grpc.StatusCode.PERMISSION_DENIED, "Request unauthorized."),
    ],
)
async def test_a_key_that_is_refused(set_to: Set, status: grpc.StatusCode, said: str) -> None:
    with protocol_server(refusal=(status, said)) as address:
        set_to(address=address, api_key="wrong", tls="false")
        reason, message = await hindered()
    assert reason == "NoEntry"
    assert f"lets nobody in with these credentials: {said}. Check TEMPORAL_API_KEY" in message
    assert "wrong" not in message


async def test_a_grpc_server_that_is_not_temporal(set_to: Set) -> None:
    with protocol_server(refusal=(grpc.StatusCode.UNIMPLEMENTED, "unknown service")) as address:
        set_to(address=address)
        reason, message = await hindered()
    assert reason == "NotTemporal"
    assert "unknown service" in message


async def test_a_server_that_is_too_old(set_to: Set) -> None:
    with protocol_server("1.28.3") as address:
        set_to(address=address)
        reason, message = await hindered()
    assert reason == "ServerTooOld"
    assert "is too old: it is 1.28.3, and Sagamesh needs 1.29 or later. Upgrade it" in message


@pytest.mark.parametrize(
    ("version", "old"),
    [
        ("1.28.9", True),
        ("0.9.0", True),
        ("1.29.0-rc.1", False),
        ("v1.32.0", False),
        ("2.0.0", False),
        ("", False),
        ("cloud", False),
    ],
)
async def test_versions(version: str, old: bool) -> None:
    assert is_too_old(version) is old


@pytest.mark.parametrize(
    "address",
    ["7233", "localhost", "localhost:", "localhost:abc", "localhost:99999", ":7233", "http://localhost:7233", "a b"],
)
async def test_what_is_no_address(set_to: Set, address: str) -> None:
    set_to(address=address)
    with pytest.raises(InvalidInput) as refused:
        await connect_temporal()
    [found] = refused.value.fields
    assert (found.field, found.problem) == (
        "TEMPORAL_ADDRESS",
        f"{address!r} is not host:port, such as localhost:7233",
    )


@pytest.fixture
def files(papers: Papers, tmp_path: Path) -> dict[str, Path]:
    """Certificates and keys, and what are none."""
    pair, other = papers.client(papers.clients), papers.client(papers.clients)
    text = tmp_path / "text.pem"
    text.write_text("hello", encoding="utf-8")
    binary = tmp_path / "binary.pem"
    binary.write_bytes(b"\xff\x00")
    return {
        "authority": papers.authority(papers.servers),
        "certificate": pair.certificate,
        "key": pair.key,
        "another key": other.key,
        "text": text,
        "binary": binary,
        "nowhere": tmp_path / "nowhere.pem",
    }


@pytest.mark.parametrize(
    ("authority", "certificate", "key", "field"),
    [
        ("nowhere", None, None, "TEMPORAL_TLS_SERVER_CA_CERT_PATH"),
        ("text", None, None, "TEMPORAL_TLS_SERVER_CA_CERT_PATH"),
        ("binary", None, None, "TEMPORAL_TLS_SERVER_CA_CERT_PATH"),
        ("authority", "nowhere", "key", "TEMPORAL_TLS_CLIENT_CERT_PATH"),
        ("authority", "certificate", "nowhere", "TEMPORAL_TLS_CLIENT_KEY_PATH"),
        ("authority", "certificate", None, "TEMPORAL_TLS_CLIENT_KEY_PATH"),
        ("authority", None, "key", "TEMPORAL_TLS_CLIENT_CERT_PATH"),
        ("authority", "certificate", "another key", "TEMPORAL_TLS_CLIENT_KEY_PATH"),
        ("authority", "certificate", "text", "TEMPORAL_TLS_CLIENT_KEY_PATH"),
    ],
)
async def test_files_that_cannot_be_used(
    set_to: Set, files: dict[str, Path], authority: str, certificate: str | None, key: str | None, field: str
) -> None:
    set_to(address="127.0.0.1:1", tls_server_ca_cert_path=files[authority])
    if certificate:
        set_to(tls_client_cert_path=files[certificate])
    if key:
        set_to(tls_client_key_path=files[key])

    with pytest.raises(InvalidInput) as refused:
        await connect_temporal()

    [found] = refused.value.fields
    assert found.field == field


async def test_a_file_that_a_profile_names(set_to: Set, tmp_path: Path) -> None:
    profile = tmp_path / "temporal.toml"
    text = '[profile.default]\naddress = "127.0.0.1:1"\n[profile.default.tls]\nserver_ca_cert_path = "/nowhere.pem"\n'
    profile.write_text(text, encoding="utf-8")
    set_to(config_file=profile)

    with pytest.raises(InvalidInput) as refused:
        await connect_temporal()

    [found] = refused.value.fields
    assert (found.field, found.problem) == (
        "tls.server_ca_cert_path of the profile",
        "/nowhere.pem cannot be read: No such file or directory",
    )


async def test_a_profile_that_is_not_there(set_to: Set) -> None:
    set_to(profile="nowhere")
    with pytest.raises(DefinitionError, match="nowhere"):
        await connect_temporal()


@pytest.mark.parametrize(
    ("sight", "said", "kind"),
    [
        (Sight("Silent"), "", "Silent"),
        (Sight("Speaks"), 'Status { code: Unauthenticated, message: "no", metadata: x }', "NoEntry"),
        (Sight("Speaks"), 'Status { code: PermissionDenied, message: "", metadata: x }', "NoEntry"),
        (Sight("Speaks"), 'Status { code: Internal, message: "h2 protocol error" }', "NotTemporal"),
        (Sight("Speaks"), "something of the SDK's", "NotTemporal"),
        (Sight("TlsNeeded"), 'Status { code: Unauthenticated, message: "no" }', "TlsNeeded"),
    ],
)
async def test_what_was_seen_counts_before_what_the_sdk_says(sight: Sight, said: str, kind: Kind) -> None:
    assert obstacle(sight, said).kind == kind
