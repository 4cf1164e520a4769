"""What a confirmation looks like, and that no text in it decides what the mail's header says."""

from __future__ import annotations

import re
from decimal import Decimal
from email import message_from_bytes, policy
from email.headerregistry import Address
from email.message import EmailMessage

import pytest
from aiosmtplib.email import flatten_message
from hypothesis import example, given
from hypothesis import strategies as st
from jinja2 import DictLoader, UndefinedError

from mesh_activities.letter import UnsafeText, compose, message_id, parse_address, template_environment
from mesh_agents.inventory import ItemQuantity
from mesh_agents.money import Money
from mesh_agents.notification import OrderConfirmation

SENDER = Address(addr_spec="orders@shop.example")
ADA = Address(addr_spec="ada@home.example")
HEADERS = ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type"]
TEXT = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=300)


def confirmation(name: str = "Ada Lovelace", order_id: str = "o-1") -> OrderConfirmation:
    return OrderConfirmation(
        to="ada@home.example",
        name=name,
        order_id=order_id,
        items=(ItemQuantity(sku="lamp", quantity=2), ItemQuantity(sku="violin", quantity=1)),
        total=Money(amount=Decimal("1250.50"), currency="EUR"),
    )


def composed(name: str = "Ada Lovelace", order_id: str = "o-1") -> EmailMessage:
    return compose(confirmation(name, order_id), sender=SENDER, to=ADA, identity="<1@shop.example>")


def received(letter: EmailMessage) -> EmailMessage:
    """The letter as whoever reads its bytes sees it."""
    return message_from_bytes(flatten_message(letter), policy=policy.SMTP)


def body(letter: EmailMessage, kind: str) -> str:
    part = letter.get_body((kind,))
    assert isinstance(part, EmailMessage)
    return str(part.get_content())


def test_a_confirmation_says_what_was_ordered_as_text_and_as_html() -> None:
    letter = received(composed("Ada Łovelace"))
    assert letter["To"] == "Ada Łovelace <ada@home.example>"
    assert letter["From"] == "orders@shop.example"
    assert letter["Subject"] == "Your order o-1"
    for kind in ("plain", "html"):
        text = body(letter, kind)
        for said in ("Ada Łovelace", "o-1", "lamp", "violin", "1250.50 EUR"):
            assert said in text
    assert "2 x lamp" in body(letter, "plain")


def test_html_is_escaped_and_text_is_not() -> None:
    letter = received(composed(name="<script>alert(1)</script> & Co"))
    assert "<script>alert(1)</script> & Co" in body(letter, "plain")
    assert "<script>" not in body(letter, "html")
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; Co" in body(letter, "html")


def test_a_template_that_asks_for_what_is_not_there_fails() -> None:
    templates = template_environment(
        DictLoader(
            {
                "order_confirmation.txt.j2": "Dear {{ confirmation.nickname }}",
                "order_confirmation.html.j2": "",
            }
        )
    )
    with pytest.raises(UndefinedError, match="nickname"):
        compose(confirmation(), sender=SENDER, to=ADA, identity="<1@x.example>", templates=templates)


@given(TEXT, TEXT)
@example("x" * 75 + ", evil@there.example <q@there.example>", "o-1")
@example('"a", b@there.example', "o-1")
@example("=?utf-8?q?a=0D=0ABcc:_b@there.example?=", "=?utf-8?q?a=0D=0ABcc:_b@there.example?=")
@example("Ada", "o" * 300)
@example("日本" * 40, "日本" * 40)
@example("", "")
def test_no_name_or_id_decides_who_else_gets_the_mail(name: str, order_id: str) -> None:
    raw = flatten_message(composed(name, order_id))
    letter = message_from_bytes(raw, policy=policy.SMTP)
    assert letter.keys() == HEADERS
    assert [address.addr_spec for address in letter["To"].addresses] == ["ada@home.example"]
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", raw)


@pytest.mark.parametrize("letter", ["\n", "\r\nBcc: b@there.example", "\x00", "\x1b", "\x85", "\u2028", "\x7f"])
@pytest.mark.parametrize("field", ["name", "order_id"])
def test_control_characters_are_refused_and_the_field_is_named(field: str, letter: str) -> None:
    with pytest.raises(UnsafeText) as refused:
        composed(**{field: f"Ada{letter}"})
    assert refused.value.details == ({"field": field},)
    assert refused.value.non_retryable
    assert letter not in str(refused.value)


@given(st.text(max_size=2000))
@example("o-1/notification.confirm_order")
@example("a\r\nb <>@\\ ä\x00")
def test_a_message_id_is_valid_for_every_key_and_the_same_each_time(key: str) -> None:
    assert re.fullmatch(r"<[0-9a-f]{40}@shop\.example>", message_id(key, "shop.example"))
    assert message_id(key, "shop.example") == message_id(key, "shop.example")
    assert message_id(key, "shop.example") != message_id(key + "x", "shop.example")


def test_a_long_message_id_stays_one_word() -> None:
    identity = message_id("o-1", ".".join(["d" * 60] * 3))
    letter = compose(confirmation(), sender=SENDER, to=ADA, identity=identity)
    assert identity.encode() in flatten_message(letter)


@pytest.mark.parametrize(
    ("text", "username", "domain"),
    [
        ("ada@home.example", "ada", "home.example"),
        ("a.d'a+shop@sub-1.home.example", "a.d'a+shop", "sub-1.home.example"),
        ("ada@localhost", "ada", "localhost"),
        ("Ada@HOME.example", "Ada", "home.example"),
        ("ada@straße.example", "ada", "xn--strae-oqa.example"),
        ("ädä@日本.example", "ädä", "xn--wgv71a.example"),
    ],
)
def test_addresses(text: str, username: str, domain: str) -> None:
    address = parse_address(text)
    assert (address.username, address.domain) == (username, domain)


@pytest.mark.parametrize(
    "text",
    [
        *("", "ada", "@home.example", "ada@", "ada@home example", "ada@home..example", "ada@-home.example"),
        *("a b@home.example", "a..b@home.example", ".ada@home.example", "a@b@home.example", '"a b"@home.example'),
        *("ada@home.example, b@there.example", "<ada@home.example>", "Ada <ada@home.example>", "ada@[127.0.0.1]"),
        *("ada@home.example\nBcc: b@there.example", "a\nb@home.example", "a\x00@home.example"),
        *("a\u202eb@home.example", "a\u200bb@home.example", "=?utf-8?q?x?=@home.example"),
        *("a" * 65 + "@home.example", "ä" * 33 + "@home.example", "ada@" + ".".join(["d" * 60] * 5)),
        "a" * 60 + "@" + ".".join(["d" * 48] * 4),
    ],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match=r"mail address|mailbox|domain|too long"):
        parse_address(text)
