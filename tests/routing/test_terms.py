"""What a call by name keeps of its contract."""

from __future__ import annotations

import json

import pytest

from sagamesh import Agent, Message
from sagamesh.converter import data_converter
from sagamesh.routing.terms import Terms


class Word(Message):
    """Nothing."""


@pytest.mark.parametrize("weight", [None, 2.5])
def test_a_weight_is_kept_and_says_nothing_where_there_is_none(weight: float | None) -> None:
    """Terms stand in histories, where versions read them that do not know of weights."""
    cry = Agent("herald").capability("cry", takes=Word, returns=Word, weight=weight)
    recorded = data_converter.payload_converter.to_payload(Terms.of(cry)).data
    assert ("weight" in json.loads(recorded)) is (weight is not None)
    called = Terms.model_validate_json(recorded).call()
    assert called.policy.weight == weight
    assert called.policy.engine_priority() == cry.policy.engine_priority()
