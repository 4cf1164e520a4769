"""What `deploy ramp` refuses before it asks any server."""

from __future__ import annotations

import pytest

from sagamesh.cli.main import execute


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "give --percent, or --steps"),
        (("--percent", "10", "--steps", "10,100"), "give --percent, or --steps"),
        (("--steps", "10,50"), "they must rise, and end with 100"),
        (("--steps", "10,x"), "'x' is no percentage"),
        (("--steps", "100", "--pause", "soon"), "no duration such as 30s"),
        (("--steps", "100", "--canary", "Order"), "needs --canary and --input"),
        (("--steps", "100", "--least", "0"), "something must have ended to judge by"),
        (("--steps", "100", "--canary", "Odrer", "--input", "x.json"), "'Odrer'"),
        (("--steps", "100", "--canary", "Order", "--input", "no/such.json"), "cannot be read"),
    ],
)
def test_wrong_usage(
    arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAGAMESH_APP", "mesh_workers:app")
    monkeypatch.setenv("COLUMNS", "200")
    assert execute(["deploy", "ramp", "v2", *arguments]) == 2
    assert said in " ".join(capsys.readouterr().err.replace("│", "").split())
