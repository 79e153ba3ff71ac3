"""A local Slack for ``demo``: takes what an incoming webhook takes, and is out of order at first.

Its answers are those that Slack documents: ``200 ok``, ``400 invalid_payload``, and 503 with
``Retry-After`` while it is down. Listens on the loopback only, on whatever port is free.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from aiohttp import web

PATH = "/services/demo"
RETRY_AFTER_S = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One request: what it said, what it was answered, and how often it had come before."""

    text: str
    status: int
    repeats: int = 0

    @property
    def headline(self) -> str:
        """The message's own line, without the output below it."""
        return self.text.partition("\n")[0]


class Receiver:
    """Serves while it is entered. ``refusals``: how many requests are answered 503 first."""

    def __init__(self, refusals: int, hear: Callable[[Received], None]) -> None:
        self.requests: list[Received] = []
        self.news = asyncio.Event()
        self._refusals = refusals
        self._hear = hear
        self._runner: web.AppRunner | None = None
        self._port = 0

    @property
    def url(self) -> str:
        """The webhook's address."""
        return f"http://127.0.0.1:{self._port}{PATH}"

    @property
    def accepted(self) -> list[Received]:
        return [request for request in self.requests if request.status == 200]

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post(PATH, self._take)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        text = _text(await request.read())
        repeats = sum(earlier.text == text for earlier in self.requests)
        if len(self.requests) < self._refusals:
            wait = {"Retry-After": str(RETRY_AFTER_S)}
            answer = web.Response(status=503, text="service_unavailable", headers=wait)
        elif text is None:
            answer = web.Response(status=400, text="invalid_payload")
        else:
            answer = web.Response(text="ok")
        received = Received(text=text or "", status=answer.status, repeats=repeats)
        self.requests.append(received)
        self._hear(received)
        self.news.set()
        return answer


def _text(body: bytes) -> str | None:
    """The ``text`` of a webhook's JSON body; None if there is none."""
    try:
        payload = json.loads(body)
    except ValueError:
        return None
    text = payload.get("text") if isinstance(payload, dict) else None
    return text if isinstance(text, str) and text else None
