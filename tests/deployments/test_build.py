"""Which version a process is, from its environment."""

from __future__ import annotations

import re

import pytest
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion

from sagamesh.deployments.build import as_config, build_of, canonical
from sagamesh.errors import InvalidInput

NAME, BUILD = "TEMPORAL_DEPLOYMENT_NAME", "TEMPORAL_WORKER_BUILD_ID"


def test_neither_variable_is_an_unversioned_process() -> None:
    assert build_of({}) is None
    assert build_of({NAME: "", BUILD: ""}) is None


def test_both_variables_are_a_version() -> None:
    build = build_of({NAME: "shop/orders", BUILD: "1.4.2"})
    assert build is not None
    assert build == WorkerDeploymentVersion("shop/orders", "1.4.2")
    assert canonical(build) == "shop/orders:1.4.2"
    config = as_config(build)
    assert config.use_worker_versioning
    assert config.default_versioning_behavior is VersioningBehavior.PINNED


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({NAME: "shop"}, f"{BUILD}: {NAME} is set: set both, or neither"),
        ({BUILD: "1"}, f"{NAME}: {BUILD} is set: set both, or neither"),
        ({NAME: "a.b", BUILD: "1"}, f"{NAME}: must have no '.'"),
        ({NAME: "a:b", BUILD: "1"}, f"{NAME}: must have no '.'"),
        ({NAME: "__a", BUILD: "1"}, f"{NAME}: must have no '.'"),
        ({NAME: "a" * 201, BUILD: "1"}, f"{NAME}: has 201 characters"),
        ({NAME: "a", BUILD: "b" * 201}, f"{BUILD}: has 201 characters"),
        ({NAME: "a", BUILD: "it's"}, f"{BUILD}: must have no quotation mark"),
        ({NAME: "a", BUILD: "a\nb"}, f"{BUILD}: must have no quotation mark"),
    ],
)
def test_what_is_wrong_is_refused_by_its_variable(environment: dict[str, str], said: str) -> None:
    with pytest.raises(InvalidInput, match=re.escape(said)):
        build_of(environment)
