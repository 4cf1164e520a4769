"""The schema of the values says what each is, lets nothing unknown in, and still knows what is gone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
import yaml

from tests.support.charts import CHART

SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
GONE = re.findall(
    r'\(list "([\w.]+)" "([^"]+)"\)', (CHART / "templates" / "_deprecations.tpl").read_text(encoding="utf-8")
)


def objects(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema of an object with fields, by where it stands."""
    if isinstance(schema, list):
        for index, each in enumerate(schema):
            yield from objects(each, f"{path}/{index}")
    if isinstance(schema, dict):
        if isinstance(schema.get("properties"), dict):
            yield path, schema
        for key, value in schema.items():
            yield from objects(value, f"{path}/{key}")


def test_the_schema_is_one() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)


def test_every_value_is_described() -> None:
    bare = [
        f"{path}/{name}"
        for path, schema in objects(SCHEMA)
        for name, value in schema["properties"].items()
        # What is defined elsewhere is described there; what is under allOf, beside it.
        if "$ref" not in value and "/allOf/" not in path and "allOf" not in value and not value.get("description")
    ]
    assert bare == []


def test_unknown_values_are_refused_everywhere() -> None:
    assert [
        path
        for path, schema in objects(SCHEMA)
        if "/allOf/" not in path and schema.get("additionalProperties") is not False
    ] == []


def test_the_charts_own_values_fit() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    assert [error.message for error in jsonschema.Draft7Validator(SCHEMA).iter_errors(values)] == []


def test_every_value_has_a_default() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    gone = {name for name, _ in GONE}
    assert set(SCHEMA["properties"]) - set(values) - gone == {"global"}


@pytest.mark.parametrize(("name", "successor"), GONE)
def test_what_is_gone_is_admitted_so_that_the_chart_can_name_its_successor(name: str, successor: str) -> None:
    found = SCHEMA
    for part in name.split("."):
        found = found["properties"][part]
    assert found["description"].startswith("Gone: use ")
    assert successor.partition(",")[0] in found["description"]
