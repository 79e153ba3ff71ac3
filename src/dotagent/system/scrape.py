"""A page for Prometheus, at an address of this machine alone.

Invariants: it listens only on the loopback (``core/config.py`` refuses others), and answers only to
who calls it by a name of the loopback: a web page in a browser of this machine, whose name was made
to point here, learns nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress

TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""https://prometheus.io/docs/instrumenting/exposition_formats/"""
SECONDS = 10
PATH = "/metrics"


class Page:
    """``begin`` it, and ``close`` it."""

    def __init__(self, host: str, port: int, text: Callable[[], Awaitable[bytes]]) -> None:
        self._host = host
        self._port = port
        self._text = text
        self._close: Callable[[], Awaitable[None]] | None = None

    async def begin(self) -> str | None:
        """Listen; why that cannot be."""
        from aiohttp import web  # only where asked for: it costs memory

        async def answer(request: web.BaseRequest) -> web.StreamResponse:
            if not _is_ours(request.host):
                return web.Response(status=403, text="by another name than this machine's own\n")
            if request.path != PATH:
                return web.Response(status=404, text=f"the metrics are at {PATH}\n")
            if request.method not in ("GET", "HEAD"):
                return web.Response(status=405, headers={"Allow": "GET, HEAD"})
            return web.Response(body=await self._text(), headers={"Content-Type": TYPE})

        runner = web.ServerRunner(
            web.Server(answer, access_log=None, lingering_time=0), shutdown_timeout=0
        )
        await runner.setup()
        self._close = runner.cleanup
        try:
            await web.TCPSite(runner, self._host, self._port).start()
        except OSError as error:
            await self.close()
            return f"{self._host}:{self._port} cannot be listened on: {error.strerror or error}"
        return None

    async def close(self) -> None:
        """Listen no more; whoever is being answered is cut short."""
        if self._close is not None:
            close, self._close = self._close, None
            with suppress(OSError):
                await close()


def _is_ours(host: str) -> bool:
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
    return name in ("localhost", "[::1]") or name.startswith("127.")
