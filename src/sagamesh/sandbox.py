"""The engine's workflow sandbox, without the errands that only codecs and external storage need."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.converter import DataConverter, StorageDriverStoreContext, WithSerializationContext
from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner
from temporalio.workflow import Info

__all__ = ["Sandbox"]


@dataclass(frozen=True)
class Sandbox(SandboxedWorkflowRunner):
    """Runs workflows in the engine's sandbox; restrictions and isolation are the engine's own.

    - `contexts`: whether anything that handles payloads wants to know to which call each belongs. The engine enters
      the sandbox several times for each payload to find that out, which is about a fifth of a workflow worker's CPU
      time; without a codec or storage that asks, nobody reads the answer.
    """

    contexts: bool = True

    def serving(self, converter: DataConverter) -> Self:
        """The same runner for workers of a client with this converter."""
        wanted = converter.external_storage is not None or isinstance(converter.payload_codec, WithSerializationContext)
        return replace(self, contexts=wanted)

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """One run of a workflow in a sandbox of its own."""
        instance = super().create_instance(det)
        return instance if self.contexts else _WithoutContexts(instance)


class _WithoutContexts(WorkflowInstance):
    def __init__(self, inner: WorkflowInstance) -> None:
        self._inner = inner

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        return self._inner.activate(act)

    def get_info(self) -> Info:
        return self._inner.get_info()

    def get_thread_id(self) -> int | None:
        return self._inner.get_thread_id()

    def get_serialization_context(self, command_info: Any) -> None:
        return None

    def get_external_store_context(self, command_info: Any) -> StorageDriverStoreContext:
        return StorageDriverStoreContext(target=None)
