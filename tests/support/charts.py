"""The chart as Helm renders it."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

__all__ = ["CHART", "CI", "LOADER", "ROOT", "Chart", "Refused"]

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "helm" / "sagamesh"
CI = sorted((CHART / "ci").glob("*-values.yaml"))


LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Reads YAML, in C where that is there: a chart is a thousand lines, an operator's definition ten thousand."""


class Refused(Exception):
    """Helm would not render; the message is its own."""


class Chart:
    """The project's chart, and the Helm that renders it."""

    def __init__(self, helm: Path, folder: Path = CHART) -> None:
        self._helm = helm
        self._folder = folder
        self._rendered: dict[str, str] = {}

    def copy(self, folder: Path) -> Chart:
        """The same chart in a folder of its own, to be added to."""
        shutil.copytree(self._folder, folder)
        return Chart(self._helm, folder)

    def lint(self, values: Path) -> subprocess.CompletedProcess[str]:
        return self._run("lint", "--strict", str(self._folder), "--values", str(values))

    def render(self, *files: Path, values: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """The objects with these values files, and then these values, over the chart's own.

        Raises:
            Refused: with Helm's message.
        """
        options = [option for file in files for option in ("--values", str(file))]
        key = json.dumps([options, values])
        if key not in self._rendered:
            done = self._run(
                "template",
                "shop",
                str(self._folder),
                "--namespace",
                "shop",
                *options,
                "--values",
                "-",
                given=values or {},
            )
            if done.returncode:
                raise Refused(done.stderr)
            self._rendered[key] = done.stdout
        return [found for found in yaml.load_all(self._rendered[key], Loader=LOADER) if found]

    def _run(self, *arguments: str, given: Mapping[str, Any] | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self._helm), *arguments],
            input=None if given is None else json.dumps(given),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
