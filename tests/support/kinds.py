"""The schemas of Kubernetes' own kinds, and of those that operators add; unknown fields refused."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from tests.support.charts import LOADER

__all__ = ["CLUSTER", "foreign_schemas", "problems"]

CLUSTER = "1.37"
"""The Kubernetes whose schemas are used."""

_BESIDE = Path(__file__).parents[3] / "shared" / "crds"
"""The operators' definitions: beside the checkout, or where SAGAMESH_TEST_CRDS says. They are not ours to copy."""

_CORE = frozenset(
    {"apps", "autoscaling", "networking.k8s.io", "policy", ""}  # the groups of Kubernetes itself
)


def foreign_schemas() -> Path:
    """The folder of the operators' definitions; without one the test is skipped."""
    folder = Path(os.environ.get("SAGAMESH_TEST_CRDS", _BESIDE))
    if not folder.is_dir():
        pytest.skip(f"no definitions of KEDA's, Istio's, Prometheus' and the worker controller's kinds in {folder}")
    return folder


def problems(found: dict[str, Any]) -> Iterator[str]:
    """What is wrong with an object, one sentence each."""
    group = found["apiVersion"].rpartition("/")[0]
    if group in _CORE:
        try:
            kubernetes_validate.validate(found, CLUSTER, strict=True)
        except kubernetes_validate.ValidationError as error:
            yield f"{'.'.join(map(str, error.path))}: {error.message}"
        return
    schema = _schema(foreign_schemas(), group, found["kind"], found["apiVersion"].rpartition("/")[2])
    for wrong in jsonschema.Draft7Validator(schema).iter_errors(found):
        yield f"{'.'.join(map(str, wrong.path))}: {wrong.message}"


@cache
def _schema(folder: Path, group: str, kind: str, version: str) -> dict[str, Any]:
    for file in folder.glob(f"{group}_*.yaml"):
        definition = yaml.load(file.read_text(encoding="utf-8"), Loader=LOADER)["spec"]  # noqa: S506  it is a safe one
        if definition["names"]["kind"] == kind:
            schemas = {each["name"]: each["schema"]["openAPIV3Schema"] for each in definition["versions"]}
            schema: dict[str, Any] = copy.deepcopy(schemas[version])
            schema["properties"]["metadata"] = {"type": "object"}
            schema["properties"].update(apiVersion={"type": "string"}, kind={"type": "string"})
            _close(schema)
            return schema
    raise LookupError(f"no definition of {group} {kind} in {folder}")


def _close(schema: Any) -> None:
    """Refuse fields that are not listed, wherever a schema lists some and does not say that others are welcome."""
    if isinstance(schema, list):
        for each in schema:
            _close(each)
    if not isinstance(schema, dict):
        return
    # A reference to an integer or a string, which is an integer for OpenAPI's sake.
    if schema.pop("x-kubernetes-int-or-string", False):
        schema.pop("type", None)
    listed = isinstance(schema.get("properties"), dict)
    if listed and "additionalProperties" not in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        schema["additionalProperties"] = False
    for key, value in schema.items():
        if key == "properties" and isinstance(value, dict):
            for each in value.values():
                _close(each)
        elif key in ("items", "additionalProperties"):
            # Branches of anyOf and oneOf list some fields again; what else there may be, the schema around them says.
            _close(value)
