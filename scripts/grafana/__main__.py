"""Writes the dashboards into the chart.

scripts/dashboards            writes the files
scripts/dashboards --check    says which are not up to date, exit code 1 when any is not
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from grafana.board import document
from grafana.boards import BOARDS

FOLDER: Final = Path(__file__).parents[2] / "deploy" / "helm" / "sagamesh" / "dashboards"


def main(arguments: list[str]) -> int:
    """Write or check; the exit code."""
    if arguments not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    wanted = {FOLDER / f"{board.name}.json": document(board) for board in BOARDS}
    there = {path: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
    stale = sorted(path for path in wanted.keys() | there.keys() if wanted.get(path) != there.get(path))
    if arguments:
        for path in stale:
            print(f"not what scripts/dashboards writes: {path}", file=sys.stderr)
        return 1 if stale else 0
    FOLDER.mkdir(exist_ok=True)
    for path in stale:
        if path in wanted:
            path.write_text(wanted[path], encoding="utf-8")
        else:
            path.unlink()
    print(f"{len(wanted)} dashboards, {len(stale)} written or removed")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
