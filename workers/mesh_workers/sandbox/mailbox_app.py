"""The sandbox's mails over HTTP: for programs as JSON, for people as a page."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict
from html import escape
from typing import Final, Protocol

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from mesh_workers.sandbox.mailbox_store import Mail, MailStore

__all__ = ["make_app"]

_SHOWN: Final = 200
_STYLE: Final = (
    "body{font:15px system-ui,sans-serif;margin:2rem;color:#222}table{border-collapse:collapse}"
    "th,td{padding:.3rem .8rem;text-align:left;border-bottom:1px solid #ddd}.n{text-align:right}"
)


class _Lifespan(Protocol):
    def __call__(self, app: Starlette, /) -> AbstractAsyncContextManager[None]: ...


def make_app(store: MailStore, lifespan: _Lifespan) -> Starlette:
    """GET /, /health, /mails and /mails/{file}."""

    async def health(_: Request) -> Response:
        return JSONResponse({"mails": len(store.mails)})

    async def mails(_: Request) -> Response:
        return JSONResponse([asdict(mail) for mail in store.mails])

    async def mail(request: Request) -> Response:
        content = store.content(request.path_params["file"])
        if content is None:
            return PlainTextResponse("no such mail\n", status_code=404)
        # Plain text whatever it contains: a mail is never a page of this server.
        headers = {"X-Content-Type-Options": "nosniff"}
        return Response(content, media_type="text/plain; charset=utf-8", headers=headers)

    async def index(_: Request) -> Response:
        return HTMLResponse(_page(store.mails))

    return Starlette(
        routes=[
            Route("/", index),
            Route("/health", health),
            Route("/mails", mails),
            Route("/mails/{file}", mail),
        ],
        lifespan=lifespan,
    )


def _page(mails: Sequence[Mail]) -> str:
    rows = "".join(
        f'<tr><td>{escape(mail.file[:15])}<td>{escape(mail.to)}<td><a href="/mails/{escape(mail.file)}">'
        f"{escape(mail.subject) or '(no subject)'}</a><td class=n>{mail.doubles or ''}</tr>"
        for mail in reversed(mails[-_SHOWN:])
    )
    more = f"<p>The latest {_SHOWN} of {len(mails)}.</p>" if len(mails) > _SHOWN else ""
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>Sandbox mails</title>"
        f"<style>{_STYLE}</style><h1>Sandbox mails</h1>"
        "<p>Nothing leaves this machine. The same as JSON: <a href=/mails>/mails</a></p>"
        f"{more}<table><tr><th>Received (UTC)<th>To<th>Subject<th class=n>Doubles dropped</tr>{rows}</table></html>"
    )
