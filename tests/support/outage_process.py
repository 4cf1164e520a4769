"""One process of a fleet that meets an outage: `python -m <this module> agent|tasks|system ADDRESS PROVIDER`."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from datetime import timedelta

import httpx
from temporalio import client as temporal

from sagamesh import Mesh, Pool
from sagamesh.system import system_worker
from tests.support.outages import Letter, Sending, Sent, plugin, relay, send, sending


async def _serve(kind: str, address: str, provider: str) -> None:
    client = await temporal.Client.connect(address, plugins=[plugin])
    async with httpx.AsyncClient() as http, AsyncExitStack() as stack:

        async def post(letter: Letter) -> Sent:
            (await http.post(provider, content=str(letter.number))).raise_for_status()
            return Sent(number=letter.number)

        if kind == "agent":
            pool = Pool(relay, slots=10, grace=timedelta(seconds=1)).serve(send, post)
            await stack.enter_async_context(pool.serving(client))
        elif kind == "tasks":
            await stack.enter_async_context(Pool("sendings").host(sending, Sending).serving(client))
        else:
            system = system_worker(client, Mesh(relay))
            assert system is not None
            await stack.enter_async_context(system)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(*sys.argv[1:4]))
