"""What the agents of the reference application may be told."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from sagamesh.database_address import DatabaseUrl
from sagamesh.settings import PREFIX

__all__ = [
    "AccountsSettings",
    "AnalyticsSettings",
    "CartSettings",
    "CatalogSettings",
    "IdentitySettings",
    "InventorySettings",
    "NotificationSettings",
    "PaymentSettings",
    "RecommendationSettings",
    "RecordsSettings",
]


def _certificates(file: Path) -> Path:
    try:
        ssl.create_default_context(cafile=file)
    except OSError as error:
        raise ValueError(f"{file} cannot be read as certificates (PEM): {error.strerror or error}") from None
    return file


class AccountsSettings(BaseSettings):
    """Where accounts keeps its users."""

    model_config = SettingsConfigDict(env_prefix=PREFIX + "ACCOUNTS_")

    database: DatabaseUrl = Field(
        "sqlite+aiosqlite:///accounts.db", description="SQLAlchemy URL of the users' database"
    )
    seed: Literal["", "demo"] = Field("", description="`demo` enrols the customers of the embedded stack at start")


class InventorySettings(BaseSettings):
    """Where inventory keeps its stock."""

    model_config = SettingsConfigDict(env_prefix=PREFIX + "INVENTORY_")

    database: DatabaseUrl = Field(
        "sqlite+aiosqlite:///inventory.db", description="SQLAlchemy URL of the stock's database"
    )
    seed: Literal["", "demo"] = Field(
        "", description="`demo` books one delivery of the embedded stack's stock at start"
    )
    sweep_seconds: float = Field(60, gt=0, description="how often expired reservations are freed, in seconds")


class PaymentSettings(BaseSettings):
    """Which gateway payment uses, and where it keeps its own books."""

    model_config = SettingsConfigDict(env_prefix=PREFIX + "PAYMENT_")

    database: DatabaseUrl = Field("sqlite+aiosqlite:///payment.db", description="SQLAlchemy URL of payment's own books")
    url: str = Field("https://api.stripe.com", description="base URL of the gateway, without /v1")
    key: SecretStr = Field(description="the gateway's secret API key")


class NotificationSettings(BaseSettings):
    """Which mail server notification uses."""

    model_config = SettingsConfigDict(env_prefix=PREFIX + "MAIL_")

    database: DatabaseUrl = Field(
        "sqlite+aiosqlite:///notification.db", description="SQLAlchemy URL of the list of sent mails"
    )
    host: str = Field("localhost", min_length=1, description="mail server")
    port: int = Field(587, ge=1, le=65535, description="its port")
    tls: Literal["none", "starttls", "implicit"] = Field("starttls", description="how the connection is encrypted")
    ca_file: Annotated[Path, AfterValidator(_certificates)] | None = Field(
        None, description="certificates to trust instead of the system's, a PEM file"
    )
    username: str = Field("", description="login, empty for none")
    password: SecretStr = Field(SecretStr(""), description="its password")
    sender: str = Field("orders@localhost", description="From address")


class IdentitySettings(BaseSettings):
    """Where identity keeps principals and sessions."""

    model_config = SettingsConfigDict(env_prefix=PREFIX + "IDENTITY_")

    database: DatabaseUrl = Field(
        "sqlite+aiosqlite:///identity.db", description="SQLAlchemy URL of the principals' database"
    )
    seed: Literal["", "demo"] = Field(
        "", description="`demo` gives each customer of the embedded stack an open session"
    )


class CatalogSettings(BaseSettings):
    """Where catalog keeps its price lists."""

    model_config = SettingsConfigDict(env_prefix=PREFIX + "CATALOG_")

    database: DatabaseUrl = Field(
        "sqlite+aiosqlite:///catalog.db", description="SQLAlchemy URL of the price lists' database"
    )
    seed: Literal["", "demo"] = Field("", description="`demo` publishes the prices of the embedded stack once")


class CartSettings(BaseSettings):
    """Where cart keeps customers' carts."""

    model_config = SettingsConfigDict(env_prefix=PREFIX + "CART_")

    database: DatabaseUrl = Field("sqlite+aiosqlite:///cart.db", description="SQLAlchemy URL of the carts' database")


class RecordsSettings(BaseSettings):
    """Where records keeps what is filed."""

    model_config = SettingsConfigDict(env_prefix=PREFIX + "RECORDS_")

    database: DatabaseUrl = Field(
        "sqlite+aiosqlite:///records.db", description="SQLAlchemy URL of the records' database"
    )


class AnalyticsSettings(BaseSettings):
    """Where analytics keeps its events."""

    model_config = SettingsConfigDict(env_prefix=PREFIX + "ANALYTICS_")

    database: DatabaseUrl = Field(
        "sqlite+aiosqlite:///analytics.db", description="SQLAlchemy URL of the events' database"
    )


class RecommendationSettings(BaseSettings):
    """Where recommendation keeps what it has learned."""

    model_config = SettingsConfigDict(env_prefix=PREFIX + "RECOMMENDATION_")

    database: DatabaseUrl = Field(
        "sqlite+aiosqlite:///recommendation.db", description="SQLAlchemy URL of what it has learned"
    )
