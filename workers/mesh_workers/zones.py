"""The reference application with two zones of inventory more: `sagamesh up --mesh zones`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from pydantic_settings import SettingsConfigDict

import mesh_workers
from mesh_agents.zones import inventory_eu, inventory_us
from mesh_workers.inventory import warehouse
from mesh_workers.settings import InventorySettings
from sagamesh import Mesh, Pool
from sagamesh.routing import central, negotiated
from sagamesh.routing.coordinator import Central
from sagamesh.routing.negotiation import Negotiated
from sagamesh.settings import PREFIX, read_settings

__all__ = ["app", "eu", "routing", "us"]

app = replace(
    mesh_workers.app,
    mesh=Mesh(*mesh_workers.app.mesh.agents, inventory_eu, inventory_us),
    tasks=(*mesh_workers.app.tasks, central, negotiated),
    workflows=(
        *mesh_workers.app.workflows,
        "sagamesh.routing.coordinator:Central",
        "sagamesh.routing.negotiation:Negotiated",
    ),
    pools={
        **mesh_workers.app.pools,
        "inventory.eu": "mesh_workers.zones:eu",
        "inventory.us": "mesh_workers.zones:us",
        "routing": "mesh_workers.zones:routing",
    },
    embedded={
        **mesh_workers.app.embedded,
        "SAGAMESH_INVENTORY_EU_DATABASE": "sqlite+aiosqlite:///{dir}/inventory-eu.db",
        "SAGAMESH_INVENTORY_EU_SEED": "demo",
        "SAGAMESH_INVENTORY_US_DATABASE": "sqlite+aiosqlite:///{dir}/inventory-us.db",
        "SAGAMESH_INVENTORY_US_SEED": "demo",
    },
)


class EuSettings(InventorySettings):
    """Where the stock of zone `eu` is kept."""

    model_config = SettingsConfigDict(env_prefix=PREFIX + "INVENTORY_EU_")


class UsSettings(InventorySettings):
    """Where the stock of zone `us` is kept."""

    model_config = SettingsConfigDict(env_prefix=PREFIX + "INVENTORY_US_")


@asynccontextmanager
async def eu() -> AsyncIterator[Pool]:
    """Serves `inventory.eu` from the database that SAGAMESH_INVENTORY_EU_DATABASE names."""
    async with warehouse(inventory_eu, read_settings(EuSettings)) as made:
        yield made


@asynccontextmanager
async def us() -> AsyncIterator[Pool]:
    """Serves `inventory.us` from the database that SAGAMESH_INVENTORY_US_DATABASE names."""
    async with warehouse(inventory_us, read_settings(UsSettings)) as made:
        yield made


@asynccontextmanager
async def routing() -> AsyncIterator[Pool]:
    """Hosts the framework's own routing tasks; needs nothing."""
    yield Pool(central.queue).host(central, Central).host(negotiated, Negotiated)
