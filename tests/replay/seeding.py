"""Loads the order task with a change in its text, beside the original."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import mesh_agents
import mesh_workflows.order
from mesh_workflows.order import Order
from tests.replay.order_seeds import Seed

__all__ = ["agents_of", "seeded"]


def seeded(seed: Seed, folder: Path) -> type[Order]:
    """The workflow class with the change: to type checkers, the order's.

    Copies are written to `folder`, which must be on the path.

    Raises:
        ValueError: when the old snippet does not occur exactly once: the seed no longer fits the code.
    """
    workflow = Path(mesh_workflows.order.__file__).read_text(encoding="utf-8")
    name = f"{agents_of(seed)}_order"
    if seed.file == "order":
        workflow = _changed(seed, workflow)
    else:
        _copy_contracts(seed, folder)
        workflow = workflow.replace("mesh_agents", agents_of(seed))
    (folder / f"{name}.py").write_text(workflow, encoding="utf-8")
    importlib.invalidate_caches()
    found: type[Order] = importlib.import_module(name).Order
    return found


def agents_of(seed: Seed) -> str:
    """The package of the changed contracts."""
    return "seed_" + re.sub(r"\W+", "_", seed.name)


def _copy_contracts(seed: Seed, folder: Path) -> None:
    package = agents_of(seed)
    (folder / package).mkdir()
    changed = seed.file.removesuffix(" contract")
    for path in Path(str(mesh_agents.__file__)).parent.glob("*.py"):
        text = path.read_text(encoding="utf-8").replace("mesh_agents", package)
        (folder / package / path.name).write_text(
            _changed(seed, text) if path.stem == changed else text, encoding="utf-8"
        )


def _changed(seed: Seed, text: str) -> str:
    found = text.count(seed.old)
    if found != 1:
        raise ValueError(f"seed {seed.name!r}: the old snippet occurs {found} times in {seed.file}, not once")
    return text.replace(seed.old, seed.new)
