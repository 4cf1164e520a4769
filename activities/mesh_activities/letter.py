"""The mail about an order: who it goes to, and what it says. Pure; `mesh_activities.notification` sends it."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import localtime
from typing import Final

import idna
from jinja2 import BaseLoader, Environment, PackageLoader, StrictUndefined, select_autoescape

from mesh_agents.notification import OrderConfirmation
from sagamesh import BusinessError

__all__ = ["UnsafeText", "compose", "message_id", "parse_address", "template_environment"]

# What RFC 5321 and 6531 allow without quotes. Nobody gives out addresses with a quoted local part.
_LOCAL_PART: Final = re.compile(r'[^\s.@()<>\[\]:;,"\\]+(\.[^\s.@()<>\[\]:;,"\\]+)*')
_LONGEST_LOCAL_PART: Final = 64  # octets
_LONGEST_ADDRESS: Final = 254  # octets
_ENCODED_WORD: Final = "=?"  # readers of a header would decode what follows, line ends included
_LONGEST_PHRASE: Final = 100


class UnsafeText(BusinessError):
    """A text of the mail has a line end or another control character in it. Details: `field`."""


def parse_address(text: str) -> Address:
    """The mail address, its domain as it stands in the DNS (`ä.example` is `xn--4ca.example`).

    Raises:
        ValueError: for what is none, saying why.
    """
    local, at, domain = text.rpartition("@")
    if not at or not domain:
        raise ValueError("a mail address looks like name@domain")
    if not _LOCAL_PART.fullmatch(local) or not local.isprintable() or _ENCODED_WORD in local:
        raise ValueError("what stands before the @ is no name of a mailbox")
    try:
        ascii_domain = idna.encode(domain, uts46=True).decode("ascii").removesuffix(".")
    except idna.IDNAError as error:
        raise ValueError(f"what stands behind the @ is no domain ({error})") from None
    octets = len(local.encode())
    if octets > _LONGEST_LOCAL_PART or octets + 1 + len(ascii_domain) > _LONGEST_ADDRESS:
        raise ValueError("too long")
    return Address(username=local, domain=ascii_domain)


def message_id(key: str, domain: str) -> str:
    """The Message-ID of the effect that `key` names: the same for every attempt, and valid whatever the key is."""
    return f"<{hashlib.sha256(key.encode()).hexdigest()[:40]}@{domain}>"


def template_environment(loader: BaseLoader | None = None) -> Environment:
    """Templates that escape what goes into HTML and fail on what they do not know; by default those of this package."""
    return Environment(
        loader=loader or PackageLoader("mesh_activities", "templates"),
        autoescape=select_autoescape(["html.j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


_TEMPLATES: Final = template_environment()


def compose(
    confirmation: OrderConfirmation,
    *,
    sender: Address,
    to: Address,
    identity: str,
    templates: Environment = _TEMPLATES,
) -> EmailMessage:
    """The confirmation as plain text with HTML as the alternative. `identity` is its Message-ID.

    Raises:
        UnsafeText: for a name or order id with a control character.
        jinja2.TemplateError: when a template asks for what a confirmation does not have.
    """
    for field, text in (("name", confirmation.name), ("order_id", confirmation.order_id)):
        if any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in text):
            raise UnsafeText(f"{field} has a control character in it: {text[:_LONGEST_PHRASE]!a}", field=field)
    letter = EmailMessage(policy.SMTP)
    letter["From"] = sender
    letter["To"] = Address(_display_name(confirmation.name), to.username, to.domain)
    letter["Subject"] = _subject(confirmation.order_id)
    letter["Date"] = localtime()
    letter["Message-ID"] = identity
    letter["Auto-Submitted"] = "auto-generated"  # keeps out-of-office replies away
    letter.set_content(_rendered(templates, "txt", confirmation))
    letter.add_alternative(_rendered(templates, "html", confirmation), subtype="html")
    return letter


def _rendered(templates: Environment, kind: str, confirmation: OrderConfirmation) -> str:
    return templates.get_template(f"order_confirmation.{kind}.j2").render(confirmation=confirmation)


def _display_name(name: str) -> str:
    # Folding in email.message was seen (Python 3.11) to drop the quotes of a long name, and what was quoted then read
    # as further recipients. So a name that needs quotes stands in the text of the mail only.
    plain = all(unicodedata.category(letter)[0] in "LMN" or letter in " '-" for letter in name)
    return " ".join(name.split()) if plain and len(name) <= _LONGEST_PHRASE else ""


def _subject(order_id: str) -> str:
    readable = len(order_id) <= _LONGEST_PHRASE and _ENCODED_WORD not in order_id
    return f"Your order {order_id}" if readable else "Your order"
