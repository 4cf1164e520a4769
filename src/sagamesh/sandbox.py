"""The engine's workflow sandbox, without the errands that only codecs and external storage need.

The engine imports a workflow's module anew for each task. Here every task of a worker gets the code that the worker
found first: what is installed over it while the process runs counts from the next start on, not for the tasks in
between, and nobody looks through the import path and reads files again for each task.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from types import CodeType, ModuleType
from typing import Any, Self

from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.converter import DataConverter, StorageDriverStoreContext, WithSerializationContext
from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner
from temporalio.workflow import Info

__all__ = ["Sandbox"]


@dataclass(frozen=True, slots=True)
class Source:
    """A module as it was read: its code, and where it lay.

    - `folders`: where its submodules are looked for; None for one that is no package.
    """

    code: CodeType
    path: str
    cached: str | None
    folders: tuple[str, ...] | None

    def spec(self, name: str) -> ModuleSpec:
        """What the import system makes a module of."""
        spec = ModuleSpec(name, _Loader(name, self.path, self.code), origin=self.path)
        spec.has_location = True
        spec.cached = self.cached
        spec.submodule_search_locations = None if self.folders is None else list(self.folders)
        return spec


class _Loader(SourceFileLoader):
    def __init__(self, name: str, path: str, code: CodeType) -> None:
        super().__init__(name, path)
        self._code = code

    def get_code(self, fullname: str) -> CodeType:
        return self._code


class _Finder(MetaPathFinder):
    """Finds for the thread that makes a task's sandbox what an earlier one has read; for all others nothing."""

    def __init__(self) -> None:
        self._local = threading.local()

    @contextmanager
    def using(self, code: dict[str, Source]) -> Iterator[None]:
        """Let this thread's imports be answered from here, and what is read be kept here."""
        self._local.code = code
        try:
            yield
        finally:
            self._local.code = None

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        code: dict[str, Source] | None = getattr(self._local, "code", None)
        if code is None:
            return None
        if (known := code.get(fullname)) is None:
            if (known := self._read(fullname, path, target)) is None:
                return None
            code[fullname] = known
        return known.spec(fullname)

    def _read(self, name: str, path: Sequence[str] | None, target: ModuleType | None) -> Source | None:
        """What the other finders find, where it is a source file; anything else stays theirs."""
        for finder in sys.meta_path:
            if finder is self or (spec := finder.find_spec(name, path, target)) is None:
                continue
            if type(spec.loader) is not SourceFileLoader or (read := spec.loader.get_code(name)) is None:
                return None
            folders = spec.submodule_search_locations
            return Source(read, spec.loader.path, spec.cached, None if folders is None else tuple(folders))
        return None


_FINDER = _Finder()
sys.meta_path.insert(0, _FINDER)


@dataclass(frozen=True)
class Sandbox(SandboxedWorkflowRunner):
    """Runs workflows in the engine's sandbox; restrictions and isolation are the engine's own.

    - `contexts`: whether anything that handles payloads wants to know to which call each belongs. The engine enters
      the sandbox several times for each payload to find that out, which is about a fifth of a workflow worker's CPU
      time; without a codec or storage that asks, nobody reads the answer.
    - `code`: the modules that tasks import, as they were read first.
    """

    contexts: bool = True
    code: dict[str, Source] = field(default_factory=dict[str, "Source"], repr=False, compare=False)

    def serving(self, converter: DataConverter) -> Self:
        """The same runner for workers of a client with this converter."""
        wanted = converter.external_storage is not None or isinstance(converter.payload_codec, WithSerializationContext)
        return replace(self, contexts=wanted, code={})

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """One run of a workflow in a sandbox of its own."""
        with _FINDER.using(self.code):
            instance = super().create_instance(det)
        pinned = _Pinned(instance, self.code)
        return pinned if self.contexts else _WithoutContexts(pinned)


class _Around(WorkflowInstance):
    def __init__(self, inner: WorkflowInstance) -> None:
        self._inner = inner

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        return self._inner.activate(act)

    def get_info(self) -> Info:
        return self._inner.get_info()

    def get_thread_id(self) -> int | None:
        return self._inner.get_thread_id()

    def get_serialization_context(self, command_info: Any) -> Any:
        return self._inner.get_serialization_context(command_info)

    def get_external_store_context(self, command_info: Any) -> StorageDriverStoreContext:
        return self._inner.get_external_store_context(command_info)


class _Pinned(_Around):
    """Also what a task imports while it runs is what its worker has read first."""

    def __init__(self, inner: WorkflowInstance, code: dict[str, Source]) -> None:
        super().__init__(inner)
        self._code = code

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        with _FINDER.using(self._code):
            return self._inner.activate(act)


class _WithoutContexts(_Around):
    def get_serialization_context(self, command_info: Any) -> None:
        return None

    def get_external_store_context(self, command_info: Any) -> StorageDriverStoreContext:
        return StorageDriverStoreContext(target=None)
