"""Settings: read from the environment, or refused with the variable's name and without its value."""

from __future__ import annotations

import os

import pytest
from pydantic_settings import BaseSettings

from mesh_workers.settings import InventorySettings, NotificationSettings, PaymentSettings
from sagamesh.errors import InvalidInput
from sagamesh.settings import WorkerSettings, read_settings


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting comes from where the tests run."""
    for name in os.environ:
        if name.startswith("SAGAMESH_"):
            monkeypatch.delenv(name)


def test_defaults() -> None:
    settings = read_settings(WorkerSettings)

    assert (settings.slots, settings.grace, settings.log_level) == (10, 8.0, "INFO")


def test_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGAMESH_SLOTS", "25")
    monkeypatch.setenv("SAGAMESH_GRACE", "2.5")
    monkeypatch.setenv("SAGAMESH_LOG_LEVEL", "DEBUG")
    monkeypatch.setenv("SAGAMESH_SOMETHING_ELSE", "x")

    settings = read_settings(WorkerSettings)

    assert (settings.slots, settings.grace, settings.log_level) == (25, 2.5, "DEBUG")


@pytest.mark.parametrize(
    ("kind", "variable", "value"),
    [
        (WorkerSettings, "SAGAMESH_SLOTS", "many"),
        (WorkerSettings, "SAGAMESH_SLOTS", "0"),
        (WorkerSettings, "SAGAMESH_SLOTS", ""),
        (WorkerSettings, "SAGAMESH_GRACE", "-1"),
        (WorkerSettings, "SAGAMESH_GRACE", "nan"),
        (WorkerSettings, "SAGAMESH_GRACE", "inf"),
        (WorkerSettings, "SAGAMESH_LOG_LEVEL", "LOUD"),
        (PaymentSettings, "SAGAMESH_PAYMENT_KEY", None),
        (NotificationSettings, "SAGAMESH_MAIL_PORT", "70000"),
        (NotificationSettings, "SAGAMESH_MAIL_TLS", "sometimes"),
        (NotificationSettings, "SAGAMESH_MAIL_CA_FILE", "/nowhere.pem"),
        (InventorySettings, "SAGAMESH_INVENTORY_DATABASE", "mysql://hunter2@localhost/stock"),
        (InventorySettings, "SAGAMESH_INVENTORY_DATABASE", "sqlite:////nowhere/stock.db"),
        (InventorySettings, "SAGAMESH_INVENTORY_DATABASE", "sqlite:////"),
    ],
)
def test_wrong_values_name_the_variable(
    monkeypatch: pytest.MonkeyPatch, kind: type[BaseSettings], variable: str, value: str | None
) -> None:
    if value is not None:
        monkeypatch.setenv(variable, value)

    with pytest.raises(InvalidInput) as refused:
        read_settings(kind)

    assert [field.field for field in refused.value.fields] == [variable]
    assert refused.value.subject == "the environment"


def test_all_that_is_wrong_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGAMESH_SLOTS", "0")
    monkeypatch.setenv("SAGAMESH_LOG_LEVEL", "LOUD")

    with pytest.raises(InvalidInput) as refused:
        read_settings(WorkerSettings)

    assert {field.field for field in refused.value.fields} == {"SAGAMESH_SLOTS", "SAGAMESH_LOG_LEVEL"}


def test_a_wrong_value_is_not_repeated_as_it_may_be_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGAMESH_MAIL_PORT", "hunter2")

    with pytest.raises(InvalidInput) as refused:
        read_settings(NotificationSettings)

    assert "hunter2" not in str(refused.value)


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGAMESH_PAYMENT_KEY", "sk_live_hunter2")

    settings = read_settings(PaymentSettings)

    assert settings.key.get_secret_value() == "sk_live_hunter2"
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in settings.model_dump_json()


def test_an_agent_reads_its_own_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGAMESH_INVENTORY_DATABASE", "sqlite+aiosqlite:///mine.db")
    monkeypatch.setenv("SAGAMESH_ACCOUNTS_DATABASE", "sqlite+aiosqlite:///other.db")

    assert read_settings(InventorySettings).database == "sqlite+aiosqlite:///mine.db"
