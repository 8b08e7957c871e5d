"""The web application of the server: page, translations, errors."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import sys
import time
from collections.abc import AsyncGenerator, Sequence
from importlib import resources
from typing import NamedTuple

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lamina.errors import InputError
from lamina.translate.batching import Batcher
from lamina.translate.limits import Limits, Rates, client_of
from lamina.translate.translator import Translator
from lamina.web import OriginCheck, encoded, error_response, http_error, json_response

__all__ = ["application"]

_PAGE = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
}


class _PendingText(NamedTuple):
    """A text to translate, and the time of its request."""

    text: str
    time: float


def application(translator: Translator, limits: Limits, *, local: bool) -> Starlette:
    """The application that serves a translator.

    Args:
        translator: a translator compiled for batches of ``limits.batch``.
        limits: limits of texts, requests and batches.
        local: whether to accept only requests for names of the loopback interface.
    """
    site = _Site(translator, limits)
    routes = [Route(path, site.page) for path in _PAGE]
    routes += [
        Route("/healthz", site.health),
        Route("/translate", site.translate, methods=["POST"]),
    ]
    application = Starlette(
        routes=routes,
        middleware=[Middleware(OriginCheck, local=local)],
        exception_handlers={HTTPException: http_error, Exception: _server_error},
        lifespan=site.lifespan,
    )
    application.router.redirect_slashes = False
    return application


class _Site:
    """The request handlers."""

    def __init__(self, translator: Translator, limits: Limits) -> None:
        self._translator = translator
        self._limits = limits
        self._rates = Rates(limits.requests)
        self._batcher = Batcher(self._answer_batch, limits.batch, limits.gather)
        folder = resources.files("lamina.translate").joinpath("page")
        self._pages = {
            path: Response(folder.joinpath(name).read_bytes(), media_type=kind)
            for path, (name, kind) in _PAGE.items()
        }

    @contextlib.asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncGenerator[None]:
        with self._batcher:
            yield

    async def page(self, request: Request) -> Response:
        return self._pages[request.url.path]

    async def health(self, _: Request) -> Response:
        return json_response({"status": "ok"})

    async def translate(self, request: Request) -> Response:
        text = await self._text(request)
        wait = self._rates.wait(client_of(request.client.host if request.client else "0.0.0.0"))
        if wait:
            reason = f"Too many requests; try again in {wait} s."
            raise HTTPException(429, reason, {"Retry-After": str(wait)})
        try:
            self._translator.check(text)
            body = await self._batcher(_PendingText(text, time.perf_counter()))
        except InputError as error:
            raise HTTPException(400, str(error).partition("\n")[0]) from None
        except asyncio.CancelledError:  # the server stops and its grace period is over
            wait = str(math.ceil(self._limits.deadline))
            raise HTTPException(503, "The server is stopping.", {"Retry-After": wait}) from None
        return Response(body, media_type="application/json")

    async def _text(self, request: Request) -> str:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if (
            kind != "application/json"
        ):  # browsers send this type to other sites only after a preflight
            raise HTTPException(415, "The content type must be application/json.")
        try:
            text = json.loads(await request.body())["text"]
            text.encode()  # refuse lone surrogates
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise HTTPException(400, 'The body must be {"text": "..."}.') from None
        if len(text) > self._limits.characters:
            reason = f"The text is longer than {self._limits.characters:,} characters."
            raise HTTPException(413, reason)
        return text

    def _answer_batch(self, texts: Sequence[_PendingText]) -> list[bytes]:
        """Response bodies of a batch. Runs in the batch thread."""
        found = self._translator.translate([one.text for one in texts], batch=self._limits.batch)
        now = time.perf_counter()
        return [
            encoded({**translation.to_dict(), "seconds": round(now - one.time, 3)})
            for one, translation in zip(texts, found, strict=True)
        ]


async def _server_error(_: Request, error: Exception) -> Response:
    """Log the location of an unexpected error, without its message or any text."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f" in {trace.tb_frame.f_code.co_filename}, line {trace.tb_lineno}" if trace else ""
    print(f"lamina: {type(error).__name__}{where}", file=sys.stderr, flush=True)
    return error_response(500, "The translation failed.")
