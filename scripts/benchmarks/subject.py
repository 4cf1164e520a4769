"""What is put under load: the reference application's real agents, or agents that do nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load import Job
from benchmarks.processes import Fleet
from benchmarks.server import start_server
from benchmarks.shop import Shop
from benchmarks.variant import MESH, checked

__all__ = ["Subject", "open_subject"]


@dataclass(frozen=True, slots=True)
class Subject:
    """Running pools and orders for them.

    - `job`: every tenth order or more must fail in a known way.
    - `pools`: the process id of each pool, by its name.
    - `check_books`: looks at the books once all orders have ended, where there are any.
    """

    job: Job
    pools: Mapping[str, int]
    check_books: Callable[[], Awaitable[None]]


async def open_subject(fleet: Fleet, folder: Path, *, noop: bool) -> Subject:
    """Start everything in the fleet.

    Raises:
        BenchFailed: when it does not become ready.
    """
    if not noop:
        shop = await Shop.open(fleet, folder)
        return Subject(shop.job(), shop.pools, shop.check_books)
    address = await start_server(fleet, folder)
    names = MESH.start(fleet, address)
    job = checked(await MESH.connect(address), declined_every=10)
    return Subject(job, {name.partition(":")[2]: fleet.pid(name) for name in names}, _no_books)


async def _no_books() -> None:
    return None
