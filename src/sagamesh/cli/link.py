"""Where a task is seen in the Web UI."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from sagamesh.client import Client

__all__ = ["task_link"]


def task_link(client: Client, task_id: str, run_id: str | None) -> str:
    """The address of a task's page; empty unless the server is this project's embedded one, whose Web UI is known."""
    from sagamesh.app import project_root
    from sagamesh.stack.place import Place
    from sagamesh.stack.state import load

    state = load(Place.of(project_root()))
    if state is None or not state.web or state.address != client.temporal.service_client.config.target_host:
        return ""
    page = f"{state.web}/namespaces/{client.temporal.namespace}/workflows/{quote(task_id, safe='')}"
    return f"{page}/{run_id}/history" if run_id else page
