"""The end of one output stream, kept in bounded memory whatever is printed.

Lines are what stands between line feeds, less one carriage return at their end (contract §5).
Invariants: never more than twice the byte limit and one chunk in memory; no character is cut in
half; every line that is not wholly in the text is counted in ``dropped``.
"""

from __future__ import annotations

from dotagent.core.model import Tail


class TailBuffer:
    """Takes output in chunks; ``tail()`` gives the last ``max_lines`` lines and ``max_bytes``."""

    __slots__ = ("_broken", "_kept", "_lines_gone", "_max_bytes", "_max_lines")

    def __init__(self, max_lines: int, max_bytes: int) -> None:
        self._max_lines = max_lines
        self._max_bytes = max(1, max_bytes)
        self._kept = bytearray()
        self._lines_gone = 0
        self._broken = False

    def add(self, chunk: bytes) -> None:
        """The next output."""
        self._kept += chunk
        if len(self._kept) > 2 * self._max_bytes:
            self._drop(len(self._kept) - self._max_bytes)

    def held(self) -> int:
        """How many bytes are in memory."""
        return len(self._kept)

    def tail(self) -> Tail:
        """The end so far."""
        if len(self._kept) > self._max_bytes:
            self._drop(len(self._kept) - self._max_bytes)
        if self._broken:
            self._skip_half_character()
        text, gone, broken = _shorten(
            self._kept.decode("utf-8", "replace"), self._max_bytes, self._broken
        )
        lines = text.split("\n")
        if lines[-1] == "" and not (broken and len(lines) == 1):
            lines.pop()
        total = self._lines_gone + gone + len(lines)
        piece = broken and len(lines) == 1  # better than nothing, but no whole line
        if broken and not piece:
            lines = lines[1:]
        lines = lines[max(0, len(lines) - self._max_lines) :]
        return Tail(
            text="\n".join(line.removesuffix("\r") for line in lines),
            dropped=total if piece else total - len(lines),
        )

    def _drop(self, size: int) -> None:
        """Forget the first ``size`` bytes."""
        self._lines_gone += self._kept.count(b"\n", 0, size)
        self._broken = self._kept[size - 1 : size] != b"\n"
        del self._kept[:size]

    def _skip_half_character(self) -> None:
        """The first bytes may continue a character whose start is gone (UTF-8: ``10xxxxxx``)."""
        size = 0
        while size < min(3, len(self._kept)) and self._kept[size] & 0xC0 == 0x80:
            size += 1
        del self._kept[:size]


def _shorten(text: str, size: int, broken: bool) -> tuple[str, int, bool]:
    """The end of ``text`` that is ``size`` bytes of UTF-8 at most, the count of line ends before
    it, and whether it begins inside a line. Undecodable bytes have grown to three."""
    data = text.encode()
    cut = len(data) - size
    if cut <= 0:
        return text, 0, broken
    end = data[cut:].decode("utf-8", "ignore")
    return end, data.count(b"\n", 0, cut), data[cut - 1 : cut] != b"\n"
