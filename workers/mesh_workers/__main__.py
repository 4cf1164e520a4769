"""`python -m mesh_workers AGENT...`: as `sagamesh worker AGENT...` for this application, in whatever folder."""

import os
import sys

from sagamesh.cli.main import run

if not os.environ.get("SAGAMESH_MESH"):
    os.environ.setdefault("SAGAMESH_APP", "mesh_workers:app")
sys.argv.insert(1, "worker")
run()
