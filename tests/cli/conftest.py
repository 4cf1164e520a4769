"""The command line, beside a server on which orders are served."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sagamesh.stack.ports import free_port
from tests.cli.shop import APP, CommandLine, Shop, open_shop
from tests.timeline.histories import Script

_counter = itertools.count()


@pytest.fixture(scope="package")
def shop() -> Iterator[Shop]:
    with open_shop() as made:
        yield made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project's folder with nothing but its app."""
    (tmp_path / "shop_app.py").write_text(APP, encoding="utf-8")
    return tmp_path


@pytest.fixture
def sagamesh(shop: Shop, folder: Path) -> CommandLine:
    """The command line of that project, beside the shop."""
    return CommandLine(folder, shop.address)


@pytest.fixture
def alone(folder: Path) -> CommandLine:
    """The command line of that project, where no server listens: what works with it has sent nothing."""
    return CommandLine(folder, f"127.0.0.1:{free_port()}")


@pytest.fixture
def new_id() -> Callable[[], str]:
    """Ids that no other test uses."""
    return lambda: f"t{os.getpid()}-{next(_counter)}"


@pytest.fixture
def begun() -> Script:
    """A history that has begun."""
    made = Script()
    made.start()
    return made
