"""The sandbox gateway as an HTTP application: routes, idempotency keys, and faults on purpose."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from mesh_workers.sandbox.books import Answer, Books
from mesh_workers.sandbox.gateway_cards import Fault, Kind, Operation
from mesh_workers.sandbox.gateway_page import page, totals
from mesh_workers.sandbox.gateway_till import Till, card_of
from mesh_workers.sandbox.gateway_wire import Refusal, authenticate, metadata_in, read_form

__all__ = ["Gateway"]

_LONGEST_KEY: Final = 255
_FAILED: Final = Answer(500, {"error": {"type": "api_error", "message": "An unknown error occurred."}})


@dataclass(frozen=True, slots=True)
class _Post:
    """A request that changes something: what it does, and how it is to fail."""

    request: Request
    form: dict[str, str]
    subject: str
    fault: Fault | None
    act: Callable[[], Answer]

    @property
    def key(self) -> str | None:
        """Its idempotency key."""
        return self.request.headers.get("idempotency-key")

    @property
    def digest(self) -> str:
        """What must be the same whenever the key is the same."""
        return hashlib.sha256(repr((self.request.url.path, sorted(self.form.items()))).encode()).hexdigest()


class _Dropped(Response):
    """A response that never comes: the connection breaks before its first byte."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Break the connection (the server leaves `drop` in the state for that), and wait until it has noticed."""
        scope["state"]["drop"]()
        while (await receive())["type"] != "http.disconnect":
            pass


class Gateway:
    """The HTTP face of the books.

    - `app`: the ASGI application.
    - `closing`: set it to end the requests that hang on purpose.
    """

    def __init__(self, books: Books) -> None:
        self._books = books
        self._till = Till(books)
        self._under_way: set[str] = set()
        self.closing = asyncio.Event()
        self.app = Starlette(
            routes=[
                Route("/v1/payment_intents", self._create, methods=["POST"]),
                Route("/v1/payment_intents/{id}", self._retrieve, methods=["GET"]),
                Route("/v1/payment_intents/{id}/confirm", self._confirm, methods=["POST"]),
                Route("/v1/payment_intents/{id}/cancel", self._cancel, methods=["POST"]),
                Route("/v1/refunds", self._refund, methods=["POST"]),
                Route("/v1/refunds", self._list_refunds, methods=["GET"]),
                Route("/v1/refunds/{id}", self._retrieve_refund, methods=["GET"]),
                Route("/books", self._show_books, methods=["GET"]),
                Route("/health", self._health, methods=["GET"]),
                Route("/", self._page, methods=["GET"]),
            ],
            exception_handlers={Refusal: _refused, HTTPException: _unrecognised},
        )

    async def _create(self, request: Request) -> Response:
        form = await _form(request)
        method = form.get("payment_method")
        fault = card_of(method).fault if method else None
        # There is no intent yet to count by.
        subject = metadata_in(form).get("key") or request.headers.get("idempotency-key", "")
        return await self._post(request, form, Operation.CREATE, subject, fault, lambda: self._till.create(form))

    async def _confirm(self, request: Request) -> Response:
        form = await _form(request)
        intent_id = request.path_params["id"]
        fault = self._fault_of(intent_id, form.get("payment_method"))
        return await self._post(
            request, form, Operation.CONFIRM, intent_id, fault, lambda: self._till.confirm(intent_id, form)
        )

    async def _cancel(self, request: Request) -> Response:
        form = await _form(request)
        intent_id = request.path_params["id"]
        fault = self._fault_of(intent_id)
        return await self._post(
            request, form, Operation.CANCEL, intent_id, fault, lambda: self._till.cancel(intent_id, form)
        )

    async def _refund(self, request: Request) -> Response:
        form = await _form(request)
        intent_id = form.get("payment_intent", "")
        fault = self._fault_of(intent_id) if intent_id else None
        return await self._post(request, form, Operation.REFUND, intent_id, fault, lambda: self._till.refund(form))

    async def _retrieve(self, request: Request) -> Response:
        return self._get(request, lambda: self._till.retrieve(request.path_params["id"]))

    async def _retrieve_refund(self, request: Request) -> Response:
        return self._get(request, lambda: self._till.retrieve_refund(request.path_params["id"]))

    async def _list_refunds(self, request: Request) -> Response:
        return self._get(request, lambda: self._till.list_refunds(dict(request.query_params)))

    async def _show_books(self, _: Request) -> Response:
        payments = self._payments()
        return JSONResponse({"payments": payments, "totals": totals(payments)})

    async def _page(self, _: Request) -> Response:
        return HTMLResponse(page(self._payments()))

    async def _health(self, _: Request) -> Response:
        return JSONResponse({"status": "ok"})

    def _payments(self) -> list[dict[str, Any]]:
        with self._books.transaction():
            return self._books.payments()

    def _get(self, request: Request, act: Callable[[], Answer]) -> Response:
        authenticate(request)
        with self._books.transaction():
            return _response(act())

    def _fault_of(self, intent_id: str, payment_method: str | None = None) -> Fault | None:
        with self._books.transaction():
            name = payment_method or self._till.intent(intent_id).payment_method
        return card_of(name).fault if name else None

    async def _post(
        self,
        request: Request,
        form: dict[str, str],
        operation: Operation,
        subject: str,
        fault: Fault | None,
        act: Callable[[], Answer],
    ) -> Response:
        due = None if fault is None else fault.at(operation)
        post = _Post(request, form, f"{operation}:{subject}", due, act)
        key = post.key
        if key is None:
            return await self._serve(post, subject)
        if not 1 <= len(key) <= _LONGEST_KEY:
            raise Refusal(400, f"Idempotency keys have 1 to {_LONGEST_KEY} characters.", type="idempotency_error")
        with self._books.transaction():
            before = self._books.answer(key)
        if before is not None:
            digest, answer = before
            if digest != post.digest:
                message = "Keys for idempotent requests can only be used with the parameters they were first used with."
                raise Refusal(400, f"{message} Key: {key}", type="idempotency_error")
            return _response(answer, {"Idempotent-Replayed": "true"})
        if key in self._under_way:
            message = f"There is currently another in-progress request using this idempotent key: {key}"
            raise Refusal(409, message, code="idempotency_key_in_use")
        self._under_way.add(key)
        try:
            return await self._serve(post, subject)
        finally:
            self._under_way.discard(key)

    async def _serve(self, post: _Post, subject: str) -> Response:
        """Do what the request asks for, or fail in the way that its card wants."""
        fault = post.fault
        if fault is None:
            return _response(self._write(post, post.act))
        match fault.kind:
            case Kind.TIMEOUT:
                await self._gone(post.request)
                return _Dropped()
            case Kind.LATE:
                await self._gone(post.request)
                with self._books.transaction():
                    self._till.land_later(subject, fault.number)
                return _Dropped()
            case Kind.SLOW:
                if await self._closed_within(fault.number):
                    return _Dropped()
            case Kind.RATE_LIMITED if self._count(post) == 1:
                # Refused before the idempotency keys are looked at, so not kept under one.
                refusal = Refusal(429, "Too many requests in too short a time.", code="rate_limit")
                refusal.headers["Retry-After"] = f"{fault.number:.0f}"
                raise refusal
            case Kind.FAIL if self._count(post) <= fault.number:
                return _response(self._write(post, lambda: _FAILED))
        answer = self._write(post, post.act)
        if fault.kind is Kind.ANSWER_SLOW:
            await self._closed_within(fault.number)
        if fault.kind is Kind.ANSWER_LOST and self._count(post) == 1:
            return _Dropped()
        return _response(answer)

    def _write(self, post: _Post, act: Callable[[], Answer]) -> Answer:
        """The effect and the answer under its key, both or neither."""
        with self._books.transaction():
            answer = act()
            if post.key is not None:
                self._books.keep(post.key, post.digest, answer)
        return answer

    def _count(self, post: _Post) -> int:
        with self._books.transaction():
            return self._books.count(post.subject)

    async def _gone(self, request: Request) -> None:
        """Wait until the client has gone away."""
        waits = [asyncio.ensure_future(wait) for wait in (_disconnect(request), self.closing.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _closed_within(self, seconds: float) -> bool:
        """Wait, whether the client is still there or not; True when the server closes before that."""
        try:
            return await asyncio.wait_for(self.closing.wait(), seconds)
        except TimeoutError:
            return False


async def _form(request: Request) -> dict[str, str]:
    authenticate(request)
    return await read_form(request)


async def _disconnect(request: Request) -> bool:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    return True


def _response(answer: Answer, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse(answer.body, answer.status, headers)


def _refused(_: Request, error: Exception) -> Response:
    refusal = cast("Refusal", error)
    return JSONResponse({"error": refusal.error}, refusal.status, refusal.headers)


def _unrecognised(request: Request, error: Exception) -> Response:
    status = cast("HTTPException", error).status_code
    message = f"Unrecognized request URL ({request.method}: {request.url.path})."
    return JSONResponse({"error": {"type": "invalid_request_error", "message": message}}, status)
