"""The sandbox's mailbox as fixtures; a folder's conftest.py makes them known to its tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from signal import SIGKILL

import pytest

from tests.support.mail_servers import MailboxProcess

__all__ = ["mailbox", "own_mailbox"]


@pytest.fixture(scope="package")
def mailbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailboxProcess]:
    """One mailbox for the tests of a folder; each writes to people of its own."""
    server = MailboxProcess(tmp_path_factory.mktemp("mailbox") / "mails")
    server.start()
    yield server
    assert server.stop() == 0


@pytest.fixture
def own_mailbox(tmp_path: Path) -> Iterator[MailboxProcess]:
    """A mailbox with an empty folder, which the test may kill."""
    server = MailboxProcess(tmp_path / "mails")
    server.start()
    yield server
    if server.process.poll() is None:
        server.stop(SIGKILL)
