"""What cannot run inline is refused before anything starts."""

from __future__ import annotations

from typing import Any

import pytest

from sagamesh import Agent, Pool, seconds
from sagamesh.errors import DefinitionError, Unserved
from sagamesh.inline import check_inline
from tests.inline.hands import Deed, Done, Work, hands, work


@pytest.mark.parametrize("options", [{"rate": 5.0}, {"tenant_rate": 5.0}])
def test_what_runs_inline_has_no_queue_that_would_keep_a_rate(options: dict[str, Any]) -> None:
    agent = Agent("limited", **options)
    with pytest.raises(DefinitionError, match=r"limited\.go is inline, so no queue would keep the rate"):
        agent.capability("go", takes=Deed, returns=Done, inline=True)


def test_inline_hosting_needs_the_agents_in_the_same_process() -> None:
    with pytest.raises(Unserved, match="task Work calls hands inline: serve hands in the same process"):
        check_inline([Pool(work.queue).host(work, Work)])
    with pytest.raises(Unserved, match="needs a pool that hosts tasks"):
        check_inline([Pool(hands)])


def test_what_reports_while_it_runs_is_not_short() -> None:
    with pytest.raises(DefinitionError, match=r"slow\.go: inline is for what is short"):
        Agent("slow").capability("go", takes=Deed, returns=Done, inline=True, heartbeat=seconds(5))
