"""The table of settings is held to the classes that read them."""

import re
from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

from mesh_workers.settings import AccountsSettings, InventorySettings, NotificationSettings, PaymentSettings
from sagamesh.settings import WorkerSettings

REFERENCE = (Path(__file__).parents[2] / "docs" / "reference.md").read_text(encoding="utf-8")
SETTINGS: list[type[BaseSettings]] = [
    WorkerSettings,
    AccountsSettings,
    InventorySettings,
    NotificationSettings,
    PaymentSettings,
]


def variables(kind: type[BaseSettings]) -> dict[str, str]:
    prefix = kind.model_config.get("env_prefix", "")
    return {prefix + name.upper(): field.description or "" for name, field in kind.model_fields.items()}


@pytest.mark.parametrize("kind", SETTINGS, ids=lambda kind: kind.__name__)
def test_every_variable_is_documented(kind: type[BaseSettings]) -> None:
    for name in variables(kind):
        assert re.search(rf"^\| `{name}` \| ", REFERENCE, re.MULTILINE), f"{name} is missing in docs/reference.md"


def test_no_variable_is_documented_that_nothing_reads() -> None:
    read = {name for kind in SETTINGS for name in variables(kind)} | {"SAGAMESH_APP", "SAGAMESH_DIR"}
    documented = set(re.findall(r"^\| `(SAGAMESH_\w+)` \|", REFERENCE, re.MULTILINE))
    assert documented <= read
