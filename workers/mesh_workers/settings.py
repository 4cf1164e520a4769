"""What the agents of the reference application may be told."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from sagamesh.settings import PREFIX

__all__ = ["AccountsSettings", "InventorySettings", "NotificationSettings", "PaymentSettings"]


class AccountsSettings(BaseSettings):
    """Where accounts keeps its users."""

    model_config = SettingsConfigDict(env_prefix=PREFIX + "ACCOUNTS_")

    database: str = Field("sqlite+aiosqlite:///accounts.db", description="SQLAlchemy URL of the users' database")
    seed: Literal["", "demo"] = Field("", description="`demo` enrols the customers of the embedded stack at start")


class InventorySettings(BaseSettings):
    """Where inventory keeps its stock."""

    model_config = SettingsConfigDict(env_prefix=PREFIX + "INVENTORY_")

    database: str = Field("sqlite+aiosqlite:///inventory.db", description="SQLAlchemy URL of the stock's database")
    seed: Literal["", "demo"] = Field(
        "", description="`demo` books one delivery of the embedded stack's stock at start"
    )
    sweep_seconds: float = Field(60, gt=0, description="how often expired reservations are freed, in seconds")


class PaymentSettings(BaseSettings):
    """Which gateway payment uses, and where it keeps its own books."""

    model_config = SettingsConfigDict(env_prefix=PREFIX + "PAYMENT_")

    database: str = Field("sqlite+aiosqlite:///payment.db", description="SQLAlchemy URL of payment's own books")
    url: str = Field("https://api.stripe.com", description="base URL of the gateway, without /v1")
    key: SecretStr = Field(description="the gateway's secret API key")


class NotificationSettings(BaseSettings):
    """Which mail server notification uses."""

    model_config = SettingsConfigDict(env_prefix=PREFIX + "MAIL_")

    database: str = Field("sqlite+aiosqlite:///notification.db", description="SQLAlchemy URL of the list of sent mails")
    host: str = Field("localhost", description="mail server")
    port: int = Field(587, ge=1, le=65535, description="its port")
    tls: Literal["none", "starttls", "implicit"] = Field("starttls", description="how the connection is encrypted")
    ca_file: Path | None = Field(None, description="certificates to trust instead of the system's, a PEM file")
    username: str = Field("", description="login, empty for none")
    password: SecretStr = Field(SecretStr(""), description="its password")
    sender: str = Field("orders@localhost", description="From address")
