"""The agent `accounts` on a SQLite file and on a real PostgreSQL server."""

from __future__ import annotations

from decimal import Decimal

import pytest

from mesh_activities.accounts import Accounts
from mesh_agents.accounts import UnknownUser, User, UserBlocked, UserRef

pytestmark = pytest.mark.asyncio

ADA = User(user_id="ada", name="Ada Lovelace", email="ada@example.org", approval_limit=Decimal("1000.00"))


async def test_a_user_who_may_order(database_url: str) -> None:
    async with Accounts.open(database_url) as accounts:
        await accounts.enrol(ADA)
        assert await accounts.validate(UserRef(user_id="ada")) == ADA


async def test_nobody_has_this_id(database_url: str) -> None:
    async with Accounts.open(database_url) as accounts:
        await accounts.enrol(ADA)
        with pytest.raises(UnknownUser) as refused:
            await accounts.validate(UserRef(user_id="Ada"))
    assert refused.value.details == ({"user_id": "Ada"},)
    assert refused.value.non_retryable


async def test_a_blocked_user_is_refused_with_the_reason(database_url: str) -> None:
    async with Accounts.open(database_url) as accounts:
        await accounts.enrol(ADA, blocked="unpaid bills")
        with pytest.raises(UserBlocked, match="unpaid bills") as refused:
            await accounts.validate(UserRef(user_id="ada"))
    assert refused.value.details == ({"user_id": "ada", "reason": "unpaid bills"},)
    assert refused.value.non_retryable


async def test_enrolling_again_replaces_what_is_known(database_url: str) -> None:
    async with Accounts.open(database_url) as accounts:
        await accounts.enrol(ADA, blocked="unpaid bills")
        changed = ADA.model_copy(update={"name": "Ada King", "approval_limit": Decimal("0.10")})
        await accounts.enrol(changed)
        assert await accounts.validate(UserRef(user_id="ada")) == changed


async def test_users_outlive_the_process(database_url: str) -> None:
    async with Accounts.open(database_url) as accounts:
        await accounts.enrol(ADA)
    async with Accounts.open(database_url) as accounts:
        assert await accounts.validate(UserRef(user_id="ada")) == ADA


@pytest.mark.parametrize("limit", ["0", "0.1", "0.30", "9999999999.99", "123456789012345678901234567890.123456789"])
async def test_a_limit_is_kept_to_the_last_digit(database_url: str, limit: str) -> None:
    async with Accounts.open(database_url) as accounts:
        await accounts.enrol(ADA.model_copy(update={"approval_limit": Decimal(limit)}))
        assert (await accounts.validate(UserRef(user_id="ada"))).approval_limit == Decimal(limit)


async def test_names_of_any_script_are_kept(database_url: str) -> None:
    zoe = User(user_id="zoe", name="Zoë O'Łukasz 🫖 张", email="zoe@example.org", approval_limit=Decimal(5))
    async with Accounts.open(database_url) as accounts:
        await accounts.enrol(zoe)
        assert await accounts.validate(UserRef(user_id="zoe")) == zoe
