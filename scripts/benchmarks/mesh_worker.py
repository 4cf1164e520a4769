"""Through Sagamesh: one worker process, `python -m benchmarks.mesh_worker POOL`, as `sagamesh worker` runs it."""

from __future__ import annotations

import sys

from benchmarks.mesh_app import app
from sagamesh.worker import run_worker

if __name__ == "__main__":
    run_worker(app, sys.argv[1:])
