"""The sandbox's mails: one file each in a folder, doubles dropped by their Message-ID."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.errors import MessageError
from email.header import decode_header, make_header
from email.parser import HeaderParser
from pathlib import Path
from typing import Final

__all__ = ["Mail", "MailStore"]

_UNFINISHED: Final = ".incoming-"
_DOUBLES: Final = "doubles.log"


@dataclass(slots=True)
class Mail:
    """A mail that is kept. `message_id` is empty where it has none; `doubles`: how often it came again."""

    file: str
    message_id: str
    to: str
    subject: str
    doubles: int = 0


class MailStore:
    """The mails of one folder, which no other process writes to.

    A mail is written beside its place and then moved there, so a process that is killed leaves a whole file or none. It
    is not synchronised to the disk: a power cut may lose the last mails.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._mails: list[Mail] = []
        self._by_id: dict[str, Mail] = {}
        folder.mkdir(parents=True, exist_ok=True)
        for unfinished in folder.glob(f"{_UNFINISHED}*"):
            unfinished.unlink()
        for path in sorted(folder.glob("*.eml")):
            self._remember(_mail(path.name, path.read_bytes()))
        if (folder / _DOUBLES).exists():
            for line in (folder / _DOUBLES).read_text(encoding="utf-8").splitlines():
                if line in self._by_id:
                    self._by_id[line].doubles += 1

    @property
    def mails(self) -> Sequence[Mail]:
        """All mails in the order in which they came."""
        return self._mails

    def keep(self, content: bytes, sender: str, recipients: Sequence[str]) -> tuple[Mail, bool]:
        """Keep a mail. Returns it, and whether it is new; for a double, what came first."""
        envelope = [f"Return-Path: <{sender}>", *(f"Delivered-To: {recipient}" for recipient in recipients)]
        content = "".join(f"{line}\r\n" for line in envelope).encode("utf-8", "surrogateescape") + content
        mail = _mail("", content)
        known = self._by_id.get(mail.message_id)
        if known is not None:
            with (self._folder / _DOUBLES).open("a", encoding="utf-8") as log:
                log.write(f"{known.message_id}\n")
            known.doubles += 1
            return known, False
        digest = hashlib.sha256(mail.message_id.encode() or content).hexdigest()[:12]
        mail.file = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}-{digest}.eml"
        unfinished = self._folder / f"{_UNFINISHED}{uuid.uuid4().hex}"
        try:
            unfinished.write_bytes(content)
            unfinished.rename(self._folder / mail.file)
        finally:
            unfinished.unlink(missing_ok=True)
        self._remember(mail)
        return mail, True

    def content(self, file: str) -> bytes | None:
        """The mail as it came, below the lines of its envelope; None when there is none of this name."""
        if not any(mail.file == file for mail in self._mails):
            return None
        try:
            return (self._folder / file).read_bytes()
        except FileNotFoundError:  # somebody has tidied up
            return None

    def _remember(self, mail: Mail) -> None:
        self._mails.append(mail)
        if mail.message_id:
            self._by_id[mail.message_id] = mail


def _mail(file: str, content: bytes) -> Mail:
    head, _, _ = content.partition(b"\r\n\r\n")
    # Without a policy that parses: what comes in may be malformed, and is to be kept all the same.
    headers = HeaderParser().parsestr(head.decode("utf-8", "replace"))
    return Mail(
        file=file,
        message_id="".join(headers.get("Message-ID", "").split()),
        to=_readable(headers.get("To") or ", ".join(headers.get_all("Delivered-To", []))),
        subject=_readable(headers.get("Subject", "")),
    )


def _readable(header: str) -> str:
    unfolded = " ".join(header.split())
    try:
        return str(make_header(decode_header(unfolded)))
    except (MessageError, ValueError, LookupError):  # an encoding that nobody can read, or that is none
        return unfolded
