"""What a failure on the way to a mail server means: a final answer or a later attempt. Pure."""

from __future__ import annotations

import ssl
from typing import Final, Self

import aiosmtplib

from mesh_agents.notification import MailRefused
from sagamesh import BusinessError, RetryLater

__all__ = ["MailServerUnfit", "verdict"]

_LOGIN_WANTED: Final = {530, 534, 535, 538}
_LONGEST_TEXT: Final = 300


class MailServerUnfit(BusinessError):
    """The mail server cannot be used as configured. Details: `code` (None without an answer), `setting` to correct."""

    @classmethod
    def to_correct(cls, what: str, code: int | None, *settings: str) -> Self:
        """`settings`: the variables to look at, without their prefix, the most likely first."""
        names = [f"SAGAMESH_MAIL_{setting}" for setting in settings]
        return cls(f"{what}; correct {' and '.join(names)}", code=code, setting=names[0])


def verdict(error: Exception, to: str, server: str) -> BusinessError | RetryLater:
    """What a failure on the way to the server means: a final answer or a later attempt."""
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        error = error.recipients[0]  # there is one
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return _verdict_on_answer(error, to, server)
    untrusted = next((e for e in (error, error.__cause__) if isinstance(e, ssl.SSLCertVerificationError)), None)
    if untrusted is not None:
        return MailServerUnfit.to_correct(
            f"the certificate of {server} is not trusted ({untrusted.verify_message})", None, "CA_FILE"
        )
    if isinstance(error, aiosmtplib.SMTPNotSupported):
        return MailRefused(f"{server} takes no address with such letters: {to}", code=None, to=to)
    return RetryLater(f"no answer from {server}: {_shown(str(error)) or 'it did not take the mail in time'}")


def _verdict_on_answer(error: aiosmtplib.SMTPResponseException, to: str, server: str) -> BusinessError | RetryLater:
    code, words = error.code, f"{error.code} {_shown(error.message)}"
    if isinstance(error, aiosmtplib.SMTPAuthenticationError) or code in _LOGIN_WANTED:
        # Not in the server's words: they may repeat what it was sent.
        if code < 500:
            return RetryLater(f"{server} cannot check the login now ({code})")
        return MailServerUnfit.to_correct(f"{server} does not accept the login ({code})", code, "USERNAME", "PASSWORD")
    if code < 500:
        return RetryLater(f"{server} wants the mail later: {words}")
    if isinstance(error, aiosmtplib.SMTPSenderRefused | aiosmtplib.SMTPRecipientRefused | aiosmtplib.SMTPDataError):
        return MailRefused(f"{server} refused the mail to {to}: {words}", code=code, to=to)
    return MailServerUnfit.to_correct(f"{server} does not serve us: {words}", code, "HOST")


def _shown(text: str) -> str:
    # Servers may send anything, bytes that are no text included; histories and logs take neither that nor much of it.
    return "".join(letter if letter.isprintable() else " " for letter in text)[:_LONGEST_TEXT]
