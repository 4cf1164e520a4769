"""The sandbox's mailbox as a real process, spoken to by the standard library."""

from __future__ import annotations

import smtplib
import socket
import subprocess
import sys
import threading
import time
import uuid
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from signal import SIGINT, SIGKILL, SIGTERM

import pytest

from tests.support.mail_servers import MailboxProcess

SENDER = "orders@shop.example"
MALFORMED = (
    b"Subject: =?no-such-charset?q?x?=",
    b"Subject: =?utf-8?b?a?=",
    b"Subject: \xff\xfe",
    b"To: <<>>,,;",
    b"no header at all",
    b"Message-ID:",
    b"Message-ID: <a\r\n b@c>",
    b"",
)


@pytest.fixture
def ada() -> str:
    """Somebody to whom nobody else writes."""
    return f"{uuid.uuid4().hex}@home.example"


def client(mailbox: MailboxProcess) -> smtplib.SMTP:
    return smtplib.SMTP("127.0.0.1", mailbox.port, local_hostname="test", timeout=60)


def mail(identity: str, to: str = "ada@home.example", subject: str = "Your order o-1") -> bytes:
    message = EmailMessage(policy.SMTP)
    message["From"] = SENDER
    message["To"] = to
    message["Subject"] = subject
    if identity:
        message["Message-ID"] = identity
    message.set_content("Dear Ada,\n.\n..\nthank you.\n")
    return message.as_bytes()


def deliver(mailbox: MailboxProcess, content: bytes, to: str = "ada@home.example") -> None:
    with client(mailbox) as smtp:
        smtp.sendmail(SENDER, [to], content)


def files(mailbox: MailboxProcess) -> list[Path]:
    return sorted(mailbox.folder.glob("*.eml"))


def test_a_mail_lies_where_one_can_read_it(mailbox: MailboxProcess, ada: str) -> None:
    content = mail(f"<{ada}>", ada, "Your order ö-1")
    deliver(mailbox, content, ada)
    [kept] = mailbox.mails(ada)
    file = mailbox.folder / kept.pop("file")
    assert kept == {"message_id": f"<{ada}>", "to": ada, "subject": "Your order ö-1", "doubles": 0}
    assert file.read_bytes() == mailbox.get(f"/mails/{file.name}").content
    assert file.read_bytes().endswith(content)
    read = message_from_bytes(file.read_bytes(), policy=policy.default)
    assert read["Return-Path"] == f"<{SENDER}>"
    assert read["Delivered-To"] == ada
    assert read.get_content() == "Dear Ada,\r\n.\r\n..\r\nthank you.\r\n"
    assert mailbox.get("/health").json() == {"mails": len(mailbox.mails())}


def test_a_double_is_dropped_counted_and_logged(mailbox: MailboxProcess, ada: str) -> None:
    deliver(mailbox, mail(f"<1.{ada}>", ada, "first"))
    deliver(mailbox, mail(f"<1.{ada}>", ada, "second"))
    deliver(mailbox, mail(f"<2.{ada}>", ada))
    deliver(mailbox, mail(f"<1.{ada}>", ada))
    assert [(m["message_id"], m["subject"], m["doubles"]) for m in mailbox.mails(ada)] == [
        (f"<1.{ada}>", "first", 2),
        (f"<2.{ada}>", "Your order o-1", 0),
    ]
    assert len(files(mailbox)) == len(mailbox.mails())
    assert mailbox.log.read_text().count(f"dropped a double of <1.{ada}>") == 2


def test_mails_without_a_message_id_are_all_kept(mailbox: MailboxProcess, ada: str) -> None:
    deliver(mailbox, mail("", ada))
    deliver(mailbox, mail("", ada))
    first, second = mailbox.mails(ada)
    assert first["message_id"] == second["message_id"] == ""
    assert first["file"] != second["file"]


def test_a_restart_forgets_nothing(own_mailbox: MailboxProcess) -> None:
    deliver(own_mailbox, mail("<1@shop.example>"))
    deliver(own_mailbox, mail("<1@shop.example>"))
    deliver(own_mailbox, mail("<2@shop.example>", subject="日本"))
    before = own_mailbox.mails()
    for by, code in ((SIGTERM, 0), (SIGINT, 0), (SIGKILL, -SIGKILL)):
        assert own_mailbox.stop(by) == code
        own_mailbox.start()
        assert own_mailbox.mails() == before
    deliver(own_mailbox, mail("<1@shop.example>"))
    assert [m["doubles"] for m in own_mailbox.mails()] == [2, 0]


def test_half_a_mail_does_not_count(own_mailbox: MailboxProcess) -> None:
    with client(own_mailbox) as smtp:
        smtp.ehlo()
        smtp.mail(SENDER)
        smtp.rcpt("ada@home.example")
        smtp.putcmd("data")
        assert smtp.getreply()[0] == 354
        smtp.send(mail("<1@shop.example>")[:-40])
        smtp.close()
    own_mailbox.stop(SIGKILL)
    unfinished = own_mailbox.folder / ".incoming-1"
    unfinished.write_bytes(mail("<2@shop.example>")[:40])
    own_mailbox.start()
    assert own_mailbox.mails() == []
    assert not unfinished.exists()


def test_whatever_was_accepted_before_a_kill_is_there_and_whole(own_mailbox: MailboxProcess) -> None:
    accepted: list[str] = []
    enough = threading.Event()

    def send_until_killed(sender: int) -> None:
        try:
            with client(own_mailbox) as smtp:
                for number in range(100_000):
                    identity = f"<{sender}.{number}@shop.example>"
                    smtp.sendmail(SENDER, ["ada@home.example"], mail(identity))
                    accepted.append(identity)
                    if len(accepted) > 100:
                        enough.set()
        except (smtplib.SMTPException, OSError):
            return  # killed, as it should be

    senders = [threading.Thread(target=send_until_killed, args=(n,)) for n in range(4)]
    for sender in senders:
        sender.start()
    assert enough.wait(60)
    own_mailbox.stop(SIGKILL)
    for sender in senders:
        sender.join(60)
    own_mailbox.start()
    kept = [m["message_id"] for m in own_mailbox.mails()]
    assert len(kept) == len(set(kept)) == len(files(own_mailbox))
    assert set(accepted) <= set(kept)
    # Each sender had at most one mail on the way when the server was killed.
    assert len(kept) <= len(accepted) + len(senders)
    for file in files(own_mailbox):
        assert file.read_bytes().endswith(b"\r\nthank you.\r\n")


def test_the_server_is_down_for_some(mailbox: MailboxProcess, ada: str) -> None:
    linus = ada.replace("home.example", "Down.Example")
    with client(mailbox) as smtp:
        smtp.ehlo()
        smtp.mail(SENDER)
        assert smtp.rcpt(linus)[0] == 421
        with pytest.raises(smtplib.SMTPServerDisconnected):
            smtp.noop()
    assert mailbox.mails(linus) == []


def test_some_recipients_are_refused(mailbox: MailboxProcess, ada: str) -> None:
    with client(mailbox) as smtp:
        refused = smtp.sendmail(SENDER, ["eve@refused.example", ada], mail(f"<{ada}>", ada))
    assert {address: answer[0] for address, answer in refused.items()} == {"eve@refused.example": 550}
    [kept] = mailbox.mails(ada)
    assert f"Delivered-To: {ada}\r\n".encode() in mailbox.text(kept)
    assert b"eve@refused.example" not in mailbox.text(kept)


def test_a_slow_answer_comes_after_the_mail_was_kept(own_mailbox: MailboxProcess) -> None:
    own_mailbox.stop()
    own_mailbox.start("--slow", "3600")

    def send_until_hung_up() -> None:
        with client(own_mailbox) as smtp, pytest.raises(smtplib.SMTPServerDisconnected):
            smtp.sendmail(SENDER, ["ada@slow.example"], mail("<1@shop.example>"))

    sending = threading.Thread(target=send_until_hung_up)
    sending.start()
    while not own_mailbox.mails():
        assert sending.is_alive()
        time.sleep(0.01)
    deliver(own_mailbox, mail("<2@shop.example>"))  # others do not wait
    # Neither does the end: the answer that is due in an hour is not waited for.
    assert own_mailbox.stop() == 0
    sending.join(60)
    assert not sending.is_alive()


def test_letters_beyond_ascii_in_addresses_and_headers(mailbox: MailboxProcess, ada: str) -> None:
    to = f"ädä.{ada.replace('home', '日本')}"
    content = mail(f"<{ada}>", "x@y.example").replace(b"To: x@y.example", f"To: Ädä <{to}>".encode())
    with client(mailbox) as smtp:
        smtp.ehlo()
        smtp.sendmail(SENDER, [to], content, mail_options=["SMTPUTF8", "BODY=8BITMIME"])
    [kept] = mailbox.mails(to)
    assert kept["to"] == f"Ädä <{to}>"
    assert f"Delivered-To: {to}\r\n".encode() in mailbox.text(kept)


def test_malformed_mails_are_kept_all_the_same(own_mailbox: MailboxProcess) -> None:
    contents = [header + b"\r\n\r\nbody\r\n" for header in MALFORMED]
    with client(own_mailbox) as smtp:
        for content in contents:
            smtp.sendmail(SENDER, ["ada@home.example"], content)
    kept = own_mailbox.mails()
    for content, one in zip(contents, kept, strict=True):
        assert own_mailbox.text(one).endswith(content)
    assert own_mailbox.get("/").status_code == 200
    own_mailbox.stop(SIGKILL)
    own_mailbox.start()
    assert own_mailbox.mails() == kept


def test_a_page_for_people(mailbox: MailboxProcess, ada: str) -> None:
    deliver(mailbox, mail(f"<{ada}>", ada, "<script>alert(1)</script>"))
    [kept] = mailbox.mails(ada)
    page = mailbox.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert ada in page.text
    assert f"/mails/{kept['file']}" in page.text
    assert "<script>" not in page.text
    assert "&lt;script&gt;" in page.text
    text = mailbox.get(f"/mails/{kept['file']}")
    assert text.headers["content-type"] == "text/plain; charset=utf-8"
    assert text.headers["x-content-type-options"] == "nosniff"


def test_only_mails_are_given_out(mailbox: MailboxProcess, ada: str) -> None:
    deliver(mailbox, mail(f"<{ada}>", ada))
    deliver(mailbox, mail(f"<{ada}>", ada))
    assert (mailbox.folder / "doubles.log").exists()
    for name in ("nothing.eml", "..%2F..%2Fetc%2Fpasswd", "doubles.log", "%00"):
        assert mailbox.get(f"/mails/{name}").status_code == 404


def test_a_fault_of_the_folder_is_no_refusal(own_mailbox: MailboxProcess) -> None:
    elsewhere = own_mailbox.folder.with_name("elsewhere")
    own_mailbox.folder.rename(elsewhere)
    with client(own_mailbox) as smtp, pytest.raises(smtplib.SMTPDataError) as failed:
        smtp.sendmail(SENDER, ["ada@home.example"], mail("<1@shop.example>"))
    assert failed.value.smtp_code == 451
    elsewhere.rename(own_mailbox.folder)
    deliver(own_mailbox, mail("<1@shop.example>"))
    [kept] = own_mailbox.mails()
    (own_mailbox.folder / kept["file"]).unlink()  # somebody tidies up
    assert own_mailbox.get(f"/mails/{kept['file']}").status_code == 404


@pytest.mark.parametrize("offset", [0, 1])
def test_a_taken_port_is_named(tmp_path: Path, offset: int) -> None:
    # With an offset it is HTTP's, which unless told otherwise is the port after that of SMTP.
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        command = [sys.executable, "-m", "mesh_workers.sandbox.mailbox", "--port", str(taken - offset)]
        command += ["--dir", str(tmp_path)]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert f"cannot listen on 127.0.0.1:{taken}" in ended.stderr
