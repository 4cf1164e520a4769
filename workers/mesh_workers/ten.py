"""The reference application with ten agents, and the tasks that need them: `sagamesh up --mesh ten`."""

from __future__ import annotations

from dataclasses import replace

import mesh_workers
from mesh_agents.analytics import analytics
from mesh_agents.cart import cart
from mesh_agents.catalog import catalog
from mesh_agents.checkout import checkout, publish_prices
from mesh_agents.identity import identity
from mesh_agents.recommendation import recommendation
from mesh_agents.records import records
from sagamesh import Mesh
from sagamesh.routing import central, negotiated

__all__ = ["app"]

_NEW = ("identity", "catalog", "cart", "records", "analytics", "recommendation")

app = replace(
    mesh_workers.app,
    mesh=Mesh(records, *mesh_workers.app.mesh.agents, identity, catalog, cart, analytics, recommendation),
    tasks=(*mesh_workers.app.tasks, checkout, publish_prices, central, negotiated),
    workflows=(
        *mesh_workers.app.workflows,
        "mesh_workflows.checkout:Checkout",
        "mesh_workflows.checkout:PublishPrices",
        "sagamesh.routing.coordinator:Central",
        "sagamesh.routing.negotiation:Negotiated",
    ),
    pools={
        **mesh_workers.app.pools,
        **{name: f"mesh_workers.{name}:pool" for name in _NEW},
        "orders": "mesh_workers.checkouts:pool",
        "routing": "mesh_workers.zones:routing",
    },
    embedded={
        **mesh_workers.app.embedded,
        **{f"SAGAMESH_{name.upper()}_DATABASE": f"sqlite+aiosqlite:///{{dir}}/{name}.db" for name in _NEW},
        "SAGAMESH_IDENTITY_SEED": "demo",
        "SAGAMESH_CATALOG_SEED": "demo",
    },
    checks="mesh_workers.ten_checks:check",
    databases={
        **mesh_workers.app.databases,
        **{name: f"SAGAMESH_{name.upper()}_DATABASE" for name in _NEW},
    },
)
