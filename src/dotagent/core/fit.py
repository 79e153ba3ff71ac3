"""Cuts a message to a service's limit. Pure.

The limit is counted in the service's own unit, after escaping. The start of the line and the end
of the tail stay, a mark says how many characters went, and no cut falls inside a character: not
between the halves of an emoji, a letter and its accents, or a flag. What comes out is clean of
control characters and terminal escapes, never empty and never over the limit.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from dotagent.core.compact import compact

Size = Callable[[str], int]
Change = Callable[[str], str]

NOTHING = "(no text)"
"""Stands for a message of which nothing visible is left: services refuse empty ones."""

_LOOKAROUND = 64
"""No character that a script writes in earnest is longer; a cut inside a longer one is allowed."""

# --------------------------------------------------------------------------------------- units


def utf8(text: str) -> int:
    """Bytes of UTF-8."""
    return len(text.encode("utf-8", "surrogatepass"))


def utf16(text: str) -> int:
    """UTF-16 code units: what JavaScript and Java call a character."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def points(text: str) -> int:
    """Unicode code points."""
    return len(text)


def json_bytes(text: str) -> int:
    """Bytes of the text as it stands in UTF-8 JSON, without its quotes."""
    return len(compact(text).encode("utf-8", "surrogatepass")) - 2


# ------------------------------------------------------------------------------------ cleaning

_DIRTY = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_ESCAPES = re.compile(
    "\x1b\\[[0-?]*+[ -/]*+[@-~]?"  # CSI: colours, cursor movement (ECMA-48 §5.4)
    "|\x1b[\\]PX^_][^\x07\x1b\n]*+(?:\x07|\x1b\\\\)"  # OSC, DCS, SOS, PM, APC with their text
    "|\x1b[ -/]*+[0-~]?"  # all others, and strings that never end
)
_BREAKS = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_SURROGATES = re.compile("[\ud800-\udfff]")
_BLANK_START = re.compile(r"\A(?:[ \t]*+\n)++")


def clean(text: str) -> str:
    """``text`` without terminal escapes and control characters; every kind of line break becomes
    ``\\n``, tabs stay, surrogates that belong together are joined and lone ones replaced."""
    if _DIRTY.search(text) is None:
        return text
    text = _ESCAPES.sub("", text)
    text = _BREAKS.sub("\n", text)
    text = _CONTROLS.sub("", text)
    if _SURROGATES.search(text) is not None:
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def visible(text: str) -> bool:
    """Whether a reader would see anything at all."""
    return any(unicodedata.category(c) not in {"Cc", "Cf", "Zs", "Zl", "Zp"} for c in text)


def one_line(text: str) -> str:
    """``text`` cleaned and on one line."""
    cleaned = clean(text)
    if "\n" not in cleaned:
        return cleaned.strip()
    return " ".join(part.strip() for part in cleaned.split("\n") if part.strip())


# ------------------------------------------------------------------------- where a cut may fall


def _extends(char: str) -> bool:
    """Whether ``char`` belongs to the character before it (UAX #29, the common cases)."""
    code = ord(char)
    return (
        unicodedata.category(char) in {"Mn", "Mc", "Me"}
        or char in "\u200c\u200d\uff9e\uff9f"
        or 0x1F3FB <= code <= 0x1F3FF  # skin tones
        or 0xE0020 <= code <= 0xE007F  # tags of sub-region flags
        or 0x1160 <= code <= 0x11FF  # Hangul vowels and finals
        or 0xD7B0 <= code <= 0xD7FF
    )


def _is_flag_half(char: str) -> bool:
    return 0x1F1E6 <= ord(char) <= 0x1F1FF


def _may_cut(text: str, at: int) -> bool:
    """Whether ``text`` may be parted between ``at - 1`` and ``at``, both inside it."""
    if text[at - 1] == "\u200d" or _extends(text[at]):
        return False
    if not (_is_flag_half(text[at]) and _is_flag_half(text[at - 1])):
        return True
    run = 0
    while at - run > 0 and _is_flag_half(text[at - 1 - run]):
        run += 1
    return run % 2 == 0


def _snap(text: str, at: int, step: int) -> int:
    """The nearest place from ``at`` on, going by ``step``, where a cut may fall."""
    for moved in range(_LOOKAROUND):
        place = at + step * moved
        if place <= 0 or place >= len(text) or _may_cut(text, place):
            return min(max(place, 0), len(text))
    return at


def _first(low: int, high: int, holds: Callable[[int], bool]) -> int:
    """The smallest number in ``[low, high)`` for which ``holds``, else ``high``; ``holds`` is
    taken to stay true once it is."""
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low


# ----------------------------------------------------------------------------------------- cuts


def _same(text: str) -> str:
    return text


def _mark(count: int) -> str:
    return f"… {count:,} character{'' if count == 1 else 's'} cut …"


def _keep_start(text: str, room: int, size: Size, escape: Change, *, counted: bool) -> str:
    """As much of the start of ``text`` as fits with its mark; not yet escaped."""
    if size(escape(text)) <= room:
        return text
    mark = f" {_mark(len(text))}"
    counted = counted and size(escape(mark)) <= room // 3
    reserve = mark if counted else "…"
    over = _first(1, len(text), lambda n: size(escape(text[:n] + reserve)) > room)
    kept = _snap(text, over - 1, -1)
    if kept > 0:
        start = text[:kept].rstrip()
        return start + (f" {_mark(len(text) - len(start))}" if counted else "…")
    for least in ("…", "?"):
        if size(escape(least)) <= room:
            return least
    raise ValueError(f"no text fits into a room of {room}")


def shorten(text: str, room: int, size: Size = points, escape: Change = _same) -> str:
    """One line of at most ``room``, escaped, ending in ``…`` if it was cut: a title. Empty if
    nothing of ``text`` is visible."""
    line = one_line(text)
    return escape(_keep_start(line, room, size, escape, counted=False)) if visible(line) else ""


def fit(
    line: str,
    tail: str,
    room: int,
    size: Size,
    escape: Change = _same,
    frame: Change = _same,
    inside: Change | None = None,
) -> str:
    """The body of a message: ``line``, a line break, ``tail``; escaped, at most ``room`` in
    ``size``'s unit.

    ``escape`` makes text literal in the service's markup. ``frame`` is put around the escaped
    tail (a code fence, ``<pre>``), in which ``inside`` escapes where other rules hold. When both
    cannot stay whole, the line keeps at least half the room or all of itself, the tail loses its
    beginning. Raises ValueError where not even one character fits."""
    head = one_line(line)
    body = _BLANK_START.sub("", clean(tail)).rstrip()
    if not visible(body):
        body = ""
    if not visible(head):
        head = "" if body else NOTHING

    def whole(head: str, body: str) -> str:
        parts = [escape(head)] if head else []
        return "\n".join([*parts, frame((inside or escape)(body))] if body else parts)

    if size(result := whole(head, body)) <= room:
        return result
    if not body:
        return escape(_keep_start(head, room, size, escape, counted=True))
    if head:
        spare = room - size(whole("", body)) - size("\n")
        head = _keep_start(head, max(room // 2, spare, 1), size, escape, counted=True)
    return _keep_end(head, body, room, size, whole)


def _keep_end(head: str, body: str, room: int, size: Size, whole: Callable[[str, str], str]) -> str:
    """``head`` and as much of the end of ``body`` as fits with its mark, down to ``head`` alone."""
    if size(result := whole(head, body)) <= room:
        return result
    widest = _mark(len(body))
    start = _first(1, len(body), lambda n: size(whole(head, f"{widest}\n{body[n:]}")) <= room)
    start = _snap(body, start, 1)
    while start < len(body):
        result = whole(head, f"{_mark(start)}\n{body[start:]}")
        if size(result) <= room:
            return result
        start = _snap(body, start + max(1, (len(body) - start) // 8), 1)
    for rest in (_mark(len(body)), "…", "?"):
        if size(result := whole(head, rest)) <= room:
            return result
    if not head or size(result := whole(head, "")) > room:
        raise ValueError(f"no text fits into a room of {room}")
    return result
