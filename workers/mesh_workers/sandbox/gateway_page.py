"""The sandbox gateway's books for people: the payments as JSON with their totals, and as a plain HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from html import escape
from typing import Any, Final

from mesh_agents.money import MINOR_DIGITS

__all__ = ["page", "totals"]

_SHOWN: Final = 200
_STYLE: Final = (
    "body{font:15px system-ui,sans-serif;margin:2rem;color:#222}table{border-collapse:collapse}"
    "th,td{padding:.3rem .8rem;text-align:left;border-bottom:1px solid #ddd}.n{text-align:right}"
    ".succeeded{color:#176b2c}.canceled{color:#777}.wrong{background:#fdd}"
)


def totals(payments: Sequence[dict[str, Any]]) -> dict[str, dict[str, int]]:
    """By currency, in minor units: what was `charged`, what of it `refunded`, the `net`; and how many `payments`."""
    found: dict[str, dict[str, int]] = {}
    for payment in payments:
        total = found.setdefault(payment["currency"], {"charged": 0, "refunded": 0, "net": 0, "payments": 0})
        total["charged"] += payment["amount_charged"]
        total["refunded"] += payment["amount_refunded"]
        total["net"] = total["charged"] - total["refunded"]
        total["payments"] += payment["charges"]
    return found


def page(payments: Sequence[dict[str, Any]]) -> str:
    """The totals and the latest payments, newest first."""
    sums = "".join(
        f"<tr><td>{escape(currency.upper())}</td><td class=n>{total['payments']}</td>"
        + "".join(f"<td class=n>{_money(total[name], currency)}</td>" for name in ("charged", "refunded", "net"))
        + "</tr>"
        for currency, total in totals(payments).items()
    )
    rows = "".join(_row(payment) for payment in reversed(payments[-_SHOWN:]))
    more = f"<p>The latest {_SHOWN} of {len(payments)}.</p>" if len(payments) > _SHOWN else ""
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>Sandbox payments</title>"
        f"<style>{_STYLE}</style><h1>Sandbox payments</h1>"
        "<p>No real money. The same as JSON: <a href=/books>/books</a></p>"
        "<table><tr><th>Currency<th class=n>Charges<th class=n>Charged<th class=n>Refunded<th class=n>Net</tr>"
        f"{sums}</table><h2>Payments</h2>{more}"
        "<table><tr><th>Created (UTC)<th>Task<th>Payment<th>Method<th>State<th class=n>Amount<th class=n>Charged"
        f"<th class=n>Refunded</tr>{rows}</table></html>"
    )


def _row(payment: dict[str, Any]) -> str:
    created = datetime.fromtimestamp(payment["created"], UTC).strftime("%Y-%m-%d %H:%M:%S")
    words = [created, payment["task_id"], payment["id"], payment["payment_method"] or ""]
    amounts = [payment[name] for name in ("amount", "amount_charged", "amount_refunded")]
    # What must never be, for whoever looks: charged twice, or more given back than taken.
    wrong = " class=wrong" if payment["charges"] > 1 or payment["amount_refunded"] > payment["amount_charged"] else ""
    state = escape(payment["state"])
    return (
        f"<tr{wrong}>"
        + "".join(f"<td>{escape(word)}</td>" for word in words)
        + f'<td class="{state}">{state}</td>'
        + "".join(f"<td class=n>{_money(amount, payment['currency'])}</td>" for amount in amounts)
        + "</tr>"
    )


def _money(minor: int, currency: str) -> str:
    digits = MINOR_DIGITS[currency.upper()]
    return f"{Decimal(minor).scaleb(-digits):.{digits}f} {escape(currency.upper())}"
