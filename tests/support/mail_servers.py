"""Mail servers to test against: the sandbox's mailbox as a process, and aiosmtpd with TLS and a login in the test."""

from __future__ import annotations

import asyncio
import re
import signal
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

__all__ = ["Certificate", "Desk", "MailboxProcess", "desk_server", "raw_server"]


class MailboxProcess:
    """The sandbox's mailbox; it can be killed and started again on the same ports and folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder.with_suffix(".log")
        self.port = 0
        self.http_port = 0
        self._process: subprocess.Popen[str] | None = None

    @property
    def process(self) -> subprocess.Popen[str]:
        """The process that runs, or ran last."""
        assert self._process is not None
        return self._process

    def start(self, *options: str) -> None:
        """Start it, and wait until it takes connections."""
        command = [sys.executable, "-m", "mesh_workers.sandbox.mailbox", "--dir", str(self.folder)]
        command += ["--port", str(self.port), "--http-port", str(self.http_port), *options]
        with self.log.open("a") as log:
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        found = re.fullmatch(r"smtp://127\.0\.0\.1:(\d+) http://127\.0\.0\.1:(\d+)\n", said)
        assert found, f"the mailbox did not start: {said!r} {self.log.read_text()}"
        self.port, self.http_port = int(found[1]), int(found[2])

    def stop(self, by: signal.Signals = signal.SIGTERM) -> int:
        """End it, and return its exit code."""
        assert self.process.stdout is not None
        self.process.send_signal(by)
        code = self.process.wait(timeout=30)
        self.process.stdout.close()
        return code

    def get(self, path: str) -> httpx.Response:
        """What it answers over HTTP."""
        return httpx.get(f"http://127.0.0.1:{self.http_port}{path}", trust_env=False, timeout=30)

    def mails(self, to: str = "") -> list[dict[str, Any]]:
        """The mails to those who have this in their address."""
        found: list[dict[str, Any]] = self.get("/mails").raise_for_status().json()
        return [mail for mail in found if to in mail["to"]]

    def text(self, mail: dict[str, Any]) -> bytes:
        """One of them, whole."""
        return self.get(f"/mails/{mail['file']}").raise_for_status().content


@dataclass(frozen=True)
class Certificate:
    """A self-signed certificate for `names`, in PEM files."""

    certificate: Path
    key: Path

    @classmethod
    def make(cls, folder: Path, *names: str) -> Certificate:
        """Make one with the openssl program. Names are `DNS:...` or `IP:...`."""
        made = cls(folder / "certificate.pem", folder / "key.pem")
        command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test"
        files = ["-out", str(made.certificate), "-keyout", str(made.key)]
        extension = ["-addext", f"subjectAltName={','.join(names)}"]
        subprocess.run([*command.split(), *extension, *files], check=True, capture_output=True)
        return made

    def context(self) -> ssl.SSLContext:
        """For a server that shows it."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificate, self.key)
        return context


@dataclass
class Desk:
    """What a mail server answers, and what it was given.

    - `answers`: by SMTP command (`MAIL`, `RCPT`, `DATA`), instead of 250.
    - `login`: user and password to be given before any mail; None for neither asking nor offering.
    - `on_data`: awaited with a mail before it is answered.
    - `mails`: what was accepted; `logins`: every try, and `secure` whether the last mail came encrypted.
    """

    answers: dict[str, str] = field(default_factory=dict)
    login: tuple[str, str] | None = None
    on_data: Callable[[], Awaitable[object]] | None = None
    mails: list[Envelope] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.mail_from = address
        if self.login is not None and not session.authenticated:
            return "530 5.7.0 Authentication required"
        return self.answers.get("MAIL", "250 OK")

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.rcpt_tos.append(address)
        return self.answers.get("RCPT", "250 OK")

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.on_data is not None:
            await self.on_data()
        if "DATA" not in self.answers:
            self.mails.append(envelope)
        return self.answers.get("DATA", "250 OK")

    def authenticate(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        """aiosmtpd's authenticator."""
        assert isinstance(data, LoginPassword)
        self.logins.append(mechanism)
        success = (data.login.decode(), data.password.decode()) == self.login
        answer = None if success else self.answers.get("AUTH")
        return AuthResult(success=success, handled=False, auth_data=data, message=answer)


@asynccontextmanager
async def desk_server(
    desk: Desk,
    *,
    tls: str = "none",
    certificate: Certificate | None = None,
    utf8: bool = False,
    without: Sequence[str] = (),
) -> AsyncIterator[int]:
    """An aiosmtpd server; yields its port. `tls` is `none`, `starttls` (which it then insists on) or `implicit`.

    - `without`: ways to log in that it does not offer.
    """
    loop = asyncio.get_running_loop()
    context = None if certificate is None else certificate.context()
    starttls = tls == "starttls"

    def protocol() -> SMTP:
        return SMTP(
            desk,
            hostname="desk",
            loop=loop,
            enable_SMTPUTF8=utf8,
            tls_context=context if starttls else None,
            require_starttls=starttls,
            # aiosmtpd takes only what came by STARTTLS for encrypted.
            auth_require_tls=starttls or desk.login is None,
            authenticator=desk.authenticate,
            auth_exclude_mechanism=without,
        )

    server = await loop.create_server(protocol, "127.0.0.1", 0, ssl=context if tls == "implicit" else None)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@asynccontextmanager
async def raw_server(*answers: bytes, hang: bool = False) -> AsyncIterator[int]:
    """A server that gives these answers, one for the greeting and each line, and then hangs or says no more."""
    done = asyncio.Event()
    conversations: set[asyncio.Task[None]] = set()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        conversations.add(task)
        try:
            for number, answer in enumerate(answers):
                if number:
                    await reader.readline()
                writer.write(answer)
                await writer.drain()
            if hang:
                await done.wait()
                return
            writer.write_eof()
            await reader.read()  # closing with something unread would take the last answer back
        finally:
            writer.close()

    server = await asyncio.start_server(converse, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        done.set()
        await asyncio.gather(*conversations, return_exceptions=True)
