"""What a worker process may be told, beside the connection to Temporal (see `sagamesh.connection`)."""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from sagamesh.errors import InvalidInput
from sagamesh.failure import FieldProblem
from sagamesh.pollers import DEFAULT_POLLERS
from sagamesh.pool import DEFAULT_GRACE
from sagamesh.slots import DEFAULT_SLOTS, ResourceSlots, Slots

__all__ = ["PREFIX", "WorkerSettings", "read_settings", "wrong_setting"]

PREFIX = "SAGAMESH_"

S = TypeVar("S", bound=BaseSettings)


class WorkerSettings(BaseSettings):
    """Settings of every worker process, from variables that begin with SAGAMESH_."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore")

    slots: Annotated[int, Field(ge=1, le=10_000)] | Literal["resources"] = Field(
        DEFAULT_SLOTS,
        description="calls that one process serves at a time; `resources` for as many as the machine bears",
    )
    target_cpu: float = Field(
        80, gt=0, le=100, description="CPU use above which `resources` takes no further call, in percent"
    )
    target_memory: float = Field(
        80, gt=0, le=100, description="memory use above which `resources` takes no further call, in percent"
    )
    slots_most: int = Field(
        100, ge=1, le=10_000, description="calls at a time that `resources` never exceeds, whatever the machine bears"
    )
    pollers: Annotated[int, Field(ge=2, le=100)] | Literal["auto"] = Field(
        DEFAULT_POLLERS, description="questions for work that are open at a time on each queue; `auto` follows the load"
    )
    grace: float = Field(
        DEFAULT_GRACE.total_seconds(),
        ge=0,
        le=3600,
        description="how long running calls may take to finish after a stop, in seconds",
    )
    drain: float = Field(
        15,
        ge=0,
        le=600,
        description="how long questions for work that are open may take to end before that, in seconds",
    )
    probe_port: int = Field(
        0, ge=0, le=65535, description="port of the probes and metrics of a worker process; 0 for none"
    )
    probe_host: str = Field("127.0.0.1", min_length=1, description="address on which they are served")
    health_interval: float = Field(
        30, gt=0, le=3600, description="how often a worker process looks at its queues and dependencies, in seconds"
    )
    dependency_timeout: float = Field(
        30, gt=0, le=3600, description="how long one look at a dependency may take, in seconds"
    )
    metrics_interval: float = Field(
        15,
        gt=0,
        le=3600,
        description="how often a process that hosts tasks reads the mesh's figures for its metrics, in seconds",
    )
    stuck_after: float = Field(
        30,
        gt=0,
        le=3600,
        description="how long the event loop may stand still until the process is not live, in seconds",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="how much is logged")
    log_format: Literal["human", "json"] = Field("human", description="lines for people, or JSON for programs")

    @property
    def capacity(self) -> Slots:
        """The slots of a process, as its pools want them."""
        if self.slots == "resources":
            return ResourceSlots(cpu=self.target_cpu, memory=self.target_memory, most=self.slots_most)
        return self.slots


def wrong_setting(variable: str, problem: str) -> InvalidInput:
    """The error for a setting that is found to be wrong where it is used; a worker ends with it as one line."""
    return InvalidInput("the environment", [FieldProblem(field=variable, problem=problem)])


def read_settings(kind: type[S]) -> S:
    """Read settings from the environment.

    Raises:
        InvalidInput: naming each variable that is missing or wrong, before anything starts. Values are not repeated:
            one of them may be a secret.
    """
    try:
        return kind()
    except ValidationError as error:
        prefix = kind.model_config.get("env_prefix", "")
        # A variable that may be one of several things has a problem for each of them.
        problems: dict[str, list[str]] = {}
        for item in error.errors(include_url=False, include_context=False, include_input=False):
            problem = item["msg"].removeprefix("Value error, ")
            problems.setdefault(prefix + str(item["loc"][0]).upper(), []).append(problem)
        fields = [FieldProblem(field=name, problem=" or ".join(said)) for name, said in problems.items()]
        raise InvalidInput("the environment", fields) from None
