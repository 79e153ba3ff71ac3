"""How far one request got, and what that means where no answer came.

Invariant: a ``Journey`` knows at every moment whether anything can have reached the service.
"""

from __future__ import annotations

import os
import zlib
from dataclasses import dataclass, field

from dotagent.core.model import Outcome, Retry, Unknown
from dotagent.ports import Response

BODY_CAP = 64 * 1024
"""Bytes of an answer that are looked at; no service says anything of use beyond."""


class Undelivered(Exception):
    """No usable answer came; ``outcome`` says what that means."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(type(outcome).__name__)
        self.outcome = outcome


@dataclass(slots=True)
class Journey:
    """How far one request got. ``reached``: there is a connection. ``connected``: bytes of the
    message may have gone through it."""

    host: str = "the service"
    reached: bool = False
    connected: bool = False
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)
    complete: bool = False

    def response(self) -> Response | None:
        """What has been received of the answer; None before its status."""
        if self.status is None:
            return None
        body = unpack(self.headers.get("content-encoding", ""), bytes(self.body))
        return Response(status=self.status, headers=self.headers, body=body)

    def lost(self, why: str) -> Outcome:
        """No answer, and none will come: repeatable only if nothing can have arrived."""
        return Unknown(why=why) if self.connected else Retry(why=why)


def unpack(encoding: str, body: bytes) -> bytes:
    """The body without its gzip or deflate packing, at most ``BODY_CAP`` of it; as it came if it
    cannot be unpacked."""
    if encoding.strip().lower() not in ("gzip", "x-gzip", "deflate"):
        return body[:BODY_CAP]
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(body, BODY_CAP)
    except zlib.error:
        return body[:BODY_CAP]


def unreachable(error: BaseException) -> str:
    """The system's words for the number of an error, never the error's own."""
    number = getattr(error, "errno", None)
    return os.strerror(number) if number and number > 0 else "unreachable"
