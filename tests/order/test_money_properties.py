"""Money: whatever is ordered, not a minor unit is lost or made."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from mesh_agents.money import MINOR_DIGITS, Money
from mesh_agents.order import OrderLine, OrderRequest

CURRENCIES = st.sampled_from(sorted(MINOR_DIGITS))
# A line of 10,000 pieces, a hundred lines: still within the digits of a total.
MINOR = st.integers(1, 999_999)


def _amount(minor: int, currency: str) -> Decimal:
    return Decimal(minor).scaleb(-MINOR_DIGITS[currency])


@st.composite
def orders(draw: st.DrawFn) -> tuple[str, list[OrderLine], int]:
    """A currency, lines in it, and their total in its minor unit."""
    currency = draw(CURRENCIES)
    prices = draw(st.lists(MINOR, min_size=1, max_size=10))
    quantities = [draw(st.integers(1, 1000)) for _ in prices]
    lines = [
        OrderLine(sku=f"sku-{n}", quantity=quantity, unit_price=_amount(price, currency))
        for n, (price, quantity) in enumerate(zip(prices, quantities, strict=True))
    ]
    return currency, lines, sum(price * quantity for price, quantity in zip(prices, quantities, strict=True))


def _request(currency: str, lines: list[OrderLine], total: int) -> OrderRequest:
    return OrderRequest(
        customer="ada",
        currency=currency,
        lines=tuple(lines),
        total=_amount(total, currency),
        payment_method="pm_card_visa",
    )


@given(orders())
def test_what_is_charged_is_what_the_lines_add_up_to(order: tuple[str, list[OrderLine], int]) -> None:
    currency, lines, total = order
    request = _request(currency, lines, total)
    assert request.charge.money.minor == total
    again = OrderRequest.model_validate_json(request.model_dump_json())
    assert (again, again.charge.money.minor) == (request, total)


@given(orders(), st.integers(-5, 5).filter(bool))
def test_a_total_that_is_off_by_a_minor_unit_is_refused(order: tuple[str, list[OrderLine], int], off: int) -> None:
    currency, lines, total = order
    if total + off < 0:
        return
    with pytest.raises(ValidationError, match="does not match the lines"):
        _request(currency, lines, total + off)


@given(CURRENCIES, MINOR)
def test_minor_units_and_amounts_are_the_same_money(currency: str, minor: int) -> None:
    money = Money(amount=_amount(minor, currency), currency=currency)
    assert money.minor == minor
    assert Money.model_validate_json(money.model_dump_json()) == money


@given(CURRENCIES, MINOR.filter(lambda minor: minor % 10 != 0))
def test_what_is_finer_than_the_minor_unit_is_refused(currency: str, minor: int) -> None:
    finer = Decimal(minor).scaleb(-MINOR_DIGITS[currency] - 1)
    with pytest.raises(ValidationError):
        Money(amount=finer, currency=currency)
