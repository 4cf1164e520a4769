"""Amounts of money: decimal for people, minor units for gateways, never a float."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from sagamesh import Message

MINOR_DIGITS: Final = {"CHF": 2, "EUR": 2, "GBP": 2, "JPY": 0, "USD": 2}
"""The accepted currencies (ISO 4217) and how many decimals each has."""

Amount = Annotated[Decimal, Field(ge=0, max_digits=12, decimal_places=2, allow_inf_nan=False)]


class Money(Message):
    """An amount in a currency, such as `{"amount": "12.50", "currency": "EUR"}`."""

    amount: Amount
    currency: str

    @model_validator(mode="after")
    def _currency_fits(self) -> Self:
        digits = minor_digits(self.currency)
        if self.amount != round(self.amount, digits):
            raise ValueError(f"{self.currency} has {digits} decimals, {self.amount} has more")
        return self

    @property
    def minor(self) -> int:
        """The amount in the currency's minor unit: 12.50 EUR is 1250, 12 JPY is 12."""
        return int(self.amount.scaleb(MINOR_DIGITS[self.currency]))

    def __str__(self) -> str:
        return f"{self.amount:.{MINOR_DIGITS[self.currency]}f} {self.currency}"


def minor_digits(currency: str) -> int:
    """How many decimals a currency has.

    Raises:
        ValueError: for a currency that is not accepted, naming those that are.
    """
    try:
        return MINOR_DIGITS[currency]
    except KeyError:
        raise ValueError(f"{currency!r} is not accepted; use one of {', '.join(MINOR_DIGITS)}") from None
