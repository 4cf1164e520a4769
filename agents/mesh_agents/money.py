"""Amounts of money: decimal for people, minor units for gateways, never a float."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Final, Self

from pydantic import AfterValidator, Field, model_validator

from sagamesh import Message
from sagamesh.failure import FieldError

MINOR_DIGITS: Final = {"CHF": 2, "EUR": 2, "GBP": 2, "JPY": 0, "USD": 2}
"""The accepted currencies (ISO 4217) and how many decimals each has."""

Amount = Annotated[Decimal, Field(ge=0, max_digits=12, decimal_places=2, allow_inf_nan=False)]


def _accepted(currency: str) -> str:
    if currency not in MINOR_DIGITS:
        raise ValueError(f"{currency!r} is not accepted; use one of {', '.join(MINOR_DIGITS)}")
    return currency


Currency = Annotated[str, AfterValidator(_accepted)]
"""One of the accepted currencies, in capitals."""


class Money(Message):
    """An amount in a currency, such as `{"amount": "12.50", "currency": "EUR"}`."""

    amount: Amount
    currency: Currency

    @model_validator(mode="after")
    def _currency_fits(self) -> Self:
        check_decimals("amount", self.amount, self.currency)
        return self

    @property
    def minor(self) -> int:
        """The amount in the currency's minor unit: 12.50 EUR is 1250, 12 JPY is 12."""
        return int(self.amount.scaleb(MINOR_DIGITS[self.currency]))

    def __str__(self) -> str:
        return f"{self.amount:.{MINOR_DIGITS[self.currency]}f} {self.currency}"


def check_decimals(field: str, amount: Decimal, currency: str) -> None:
    """Refuse an amount that is finer than its currency's minor unit.

    Raises:
        FieldError: naming the field.
    """
    digits = MINOR_DIGITS[currency]
    if amount != round(amount, digits):
        raise FieldError(field, f"{currency} has {digits} decimals, {amount} has more")
