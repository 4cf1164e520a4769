"""Which version of which deployment a worker process is, as its environment says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.worker import WorkerDeploymentConfig

from sagamesh.errors import InvalidInput
from sagamesh.failure import FieldProblem

__all__ = ["BUILD_VARIABLE", "NAME_VARIABLE", "as_config", "build_of", "canonical"]

NAME_VARIABLE: Final = "TEMPORAL_DEPLOYMENT_NAME"
BUILD_VARIABLE: Final = "TEMPORAL_WORKER_BUILD_ID"
_LONGEST: Final = 200


def build_of(environment: Mapping[str, str]) -> WorkerDeploymentVersion | None:
    """The version that the standard variables name; None when neither is set: an unversioned process.

    Raises:
        InvalidInput: when only one of them is set, or one holds what the server would not take.
    """
    name, build = environment.get(NAME_VARIABLE, ""), environment.get(BUILD_VARIABLE, "")
    if not name and not build:
        return None
    problems = []
    if not name:
        problems.append(FieldProblem(field=NAME_VARIABLE, problem=f"{BUILD_VARIABLE} is set: set both, or neither"))
    elif problem := _name_problem(name):
        problems.append(FieldProblem(field=NAME_VARIABLE, problem=problem))
    if not build:
        problems.append(FieldProblem(field=BUILD_VARIABLE, problem=f"{NAME_VARIABLE} is set: set both, or neither"))
    elif problem := _build_problem(build):
        problems.append(FieldProblem(field=BUILD_VARIABLE, problem=problem))
    if problems:
        raise InvalidInput("the environment", problems)
    return WorkerDeploymentVersion(deployment_name=name, build_id=build)


def _name_problem(name: str) -> str:
    if "." in name or ":" in name or name.startswith("__"):
        return "must have no '.' and no ':', and not begin with '__'"
    return f"has {len(name)} characters, at most {_LONGEST}" if len(name) > _LONGEST else ""


def _build_problem(build: str) -> str:
    # A quotation mark or backslash could not be asked for in the server's list filter.
    if not build.isprintable() or set(build) & set("'\"\\"):
        return "must have no quotation mark, backslash or control character"
    return f"has {len(build)} characters, at most {_LONGEST}" if len(build) > _LONGEST else ""


def as_config(build: WorkerDeploymentVersion) -> WorkerDeploymentConfig:
    """What a worker of this version is told: tasks finish on the version they began with, unless their class says so.

    A workflow class declares otherwise by `@workflow.defn(versioning_behavior=...)`.
    """
    return WorkerDeploymentConfig(
        version=build, use_worker_versioning=True, default_versioning_behavior=VersioningBehavior.PINNED
    )


def canonical(build: WorkerDeploymentVersion) -> str:
    """The version as search attributes hold it: `<deployment>:<build id>`."""
    return f"{build.deployment_name}:{build.build_id}"
