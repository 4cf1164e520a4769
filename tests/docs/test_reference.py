"""The table of settings is held to the classes that read them."""

import re
from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

from mesh_workers.settings import (
    AccountsSettings,
    AnalyticsSettings,
    CartSettings,
    CatalogSettings,
    IdentitySettings,
    InventorySettings,
    NotificationSettings,
    PaymentSettings,
    RecommendationSettings,
    RecordsSettings,
)
from sagamesh.settings import WorkerSettings

REFERENCE = (Path(__file__).parents[2] / "docs" / "reference.md").read_text(encoding="utf-8")
SETTINGS: list[type[BaseSettings]] = [
    WorkerSettings,
    AccountsSettings,
    InventorySettings,
    NotificationSettings,
    PaymentSettings,
    IdentitySettings,
    CatalogSettings,
    CartSettings,
    RecordsSettings,
    AnalyticsSettings,
    RecommendationSettings,
]
# Read by the command line and the embedded stack, each in one place of its own.
_COMMAND_LINE = {
    name
    for path in (Path(__file__).parents[2] / "src" / "sagamesh").rglob("*.py")
    for name in re.findall(r'"(SAGAMESH_[A-Z_]+[A-Z])"', path.read_text(encoding="utf-8"))
}


def variables(kind: type[BaseSettings]) -> dict[str, str]:
    prefix = kind.model_config.get("env_prefix", "")
    return {prefix + name.upper(): field.description or "" for name, field in kind.model_fields.items()}


@pytest.mark.parametrize("kind", SETTINGS, ids=lambda kind: kind.__name__)
def test_every_variable_is_documented(kind: type[BaseSettings]) -> None:
    for name in variables(kind):
        assert re.search(rf"^\| `{name}` \| ", REFERENCE, re.MULTILINE), f"{name} is missing in docs/reference.md"


def test_every_reason_of_a_refused_request_to_a_task_is_documented() -> None:
    reasons = set()
    for module in ("handle", "steering", "completion", "reply"):
        source = (Path(__file__).parents[2] / "src" / "sagamesh" / f"{module}.py").read_text(encoding="utf-8")
        found = re.findall(r'(?:[Rr]efused\(\s*|, type=|RPCStatusCode\.\w+: )"(\w+)"', source)
        assert found, module
        reasons |= {*found}
    section = REFERENCE.partition("## The Python client")[2].partition("\n## ")[0]
    assert reasons - set(re.findall(r"`(\w+)`", section)) == set()


def test_the_variables_of_the_command_line_are_documented() -> None:
    for name in _COMMAND_LINE:
        assert re.search(rf"^\| `{name}` \| ", REFERENCE, re.MULTILINE), f"{name} is missing in docs/reference.md"


def test_no_variable_is_documented_that_nothing_reads() -> None:
    read = {name for kind in SETTINGS for name in variables(kind)} | _COMMAND_LINE
    documented = set(re.findall(r"^\| `(SAGAMESH_\w+)` \|", REFERENCE, re.MULTILINE))
    assert documented == read
