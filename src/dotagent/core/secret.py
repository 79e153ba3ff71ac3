"""Secrets: ``${NAME}`` references, and the redactor that keeps values out of all that is written.

Invariants: a known value never leaves ``Redactor``, nor its ``stream()`` across any cut into
chunks; both give the same bytes. A value put in for a reference is not looked at again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

from dotagent.core.errors import DotagentError

MASK = b"[redacted]"

MIN_LENGTH = 4
"""Shorter values are not masked: ``1`` or ``yes`` would eat holes into every text, which tells a
reader more about the value than the text did, and so short a value protects nothing."""

MIN_LINE = 8
"""Lines of a value of several lines are masked one by one from this length on (a PEM key)."""

_ENCODE_URI_SAFE = "!'()*~-_."
"""What JavaScript's ``encodeURIComponent`` leaves alone (ECMA-262, 19.2.6.4)."""

_WORD = 8
_MIN_WORDY = 2 * _WORD - 1
"""A text of this length holds a whole aligned word wherever it begins."""
_MANY = 24
"""From so many long needles on, one pass over the words of a chunk beats a search for each."""

Bytes = bytes  # the name is taken inside the class


# ---------------------------------------------------------------------------------- references


class Unresolved(DotagentError):
    """A ``${NAME}`` without a value. ``name`` is empty where the text names none."""

    def __init__(self, name: str, message: str, hint: str | None = None) -> None:
        super().__init__(message, hint)
        self.name = name


_SHOWN = 60
_REFERENCE = re.compile(r"\$(?P<literal>\$)\{|\$\{(?P<name>[^}]*)\}|\$\{(?P<open>\w*)")


def resolve(text: str, lookup: Callable[[str], str | None]) -> str:
    """Return ``text`` with each ``${NAME}`` replaced by ``lookup(NAME)`` and ``$${`` by ``${``.

    The name is everything up to the ``}``. Raises ``Unresolved`` for a name that is empty or has
    no closing brace, and for a value that is unset or empty; no message holds a value.
    """

    def value(match: re.Match[str]) -> str:
        if match["literal"]:
            return "${"
        name = match["name"]
        if name is None:
            raise Unresolved(
                match["open"],
                f"a reference that begins with ${{{match['open']} has no closing brace",
                "write ${NAME}, or $${ for a literal ${",
            )
        if not name:
            raise Unresolved("", "${} names no secret", "write ${NAME}, or $${} for a literal ${}")
        found = lookup(name)
        if not found:
            shown = name if len(name) <= _SHOWN else name[:_SHOWN] + "…"
            state = "is not set" if found is None else "is set, but empty"
            raise Unresolved(name, f"${{{shown}}} {state}", f"set {shown} in secrets.env")
        return found

    return _REFERENCE.sub(value, text)


def references(text: str) -> tuple[str, ...]:
    """The names that ``text`` refers to, each once, in order. Malformed ones are ``resolve``'s."""
    return tuple(dict.fromkeys(m["name"] for m in _REFERENCE.finditer(text) if m["name"]))


# -------------------------------------------------------------------------- what else is secret

_SHORTEST_PART = 8
_LONGEST_WORD = 15
"""A path holds words like ``services`` as well; what looks like one counts only beyond this."""
_NO_WORD = re.compile(r"[0-9]|[a-z][A-Z]")
"""A digit, or a capital behind a small letter."""

_TELLING = re.compile(
    r"token|secret|passw|passphrase|api_?key|private_?key|access_?key|credential|webhook|auth_?key",
    re.IGNORECASE,
)


def pieces(value: str) -> Iterator[str]:
    """A secret value and, where it is an address, every part of it that may be secret, encoded or
    not; its host is not, for reasons name it."""
    yield value
    if "://" not in value:
        # "Bearer …", or a bot's number and its key
        yield from (word for word in value.replace(":", " ").split() if _is_telling(word))
        return
    try:
        address = urlsplit(value)
        user, password = address.username or "", address.password or ""
    except ValueError:
        return
    found = [user, password, address.path, address.query]
    found += [text for _, text in parse_qsl(address.query)]
    found += [part for part in address.path.split("/") if _is_telling(part)]
    for piece in found:
        yield from (piece, unquote(piece))


def credentials(address: str) -> tuple[str, ...]:
    """The user and password that an address of any setting may hold, encoded or not."""
    if "://" not in address or "@" not in address:
        return ()
    try:
        parts = urlsplit(address)
        found = [part for part in (parts.username, parts.password) if part]
    except ValueError:
        return ()
    return tuple({each for part in found for each in (part, unquote(part))})


def _is_telling(part: str) -> bool:
    return len(part) > _LONGEST_WORD or (
        len(part) >= _SHORTEST_PART and _NO_WORD.search(part) is not None
    )


def named_as_secret(values: Mapping[str, Any]) -> Iterator[str]:
    """The texts, at any depth, whose names say that they are secret: ``api_key``, ``TOKEN``. A path
    or a short word under such a name is none."""
    for name, value in values.items():
        if isinstance(value, str):
            if _is_secret(name, value):
                yield value
        elif isinstance(value, Mapping):
            yield from named_as_secret(value)
        elif isinstance(value, list | tuple):
            for each in value:
                yield from named_as_secret({name: each})


def _is_secret(name: str, value: str) -> bool:
    if len(value) < _SHORTEST_PART or value.startswith(("/", "~")):
        return False
    return _is_telling_name(name)


@lru_cache(maxsize=1_024)  # the same environment is looked at for every message
def _is_telling_name(name: str) -> bool:
    return _TELLING.search(name) is not None


# ------------------------------------------------------------------------------------ redaction


def _spellings(value: str) -> set[str]:
    """The ways in which programs usually print a value: as it is, in a URL, in JSON."""
    urls = {quote(value, safe=safe, errors="surrogatepass") for safe in ("", "/", _ENCODE_URI_SAFE)}
    urls.add(quote_plus(value, errors="surrogatepass"))
    urls |= {re.sub("%..", lambda m: m[0].lower(), url) for url in urls}
    texts = {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}
    texts |= {text.replace("/", "\\/") for text in texts}
    return {value} | urls | texts


def _parts(value: str) -> set[str]:
    """The value, the value without the space around it, and its lines if it has several."""
    lines = [line.strip() for line in value.strip().splitlines()]
    telling = {
        line for line in lines if len(line) >= MIN_LINE and not line.startswith("-----")
    }  # ``-----BEGIN …`` is no secret, and stands in many texts
    return {value, value.strip()} | (telling if len(lines) > 1 else set())


def _encodings(text: str) -> set[bytes]:
    """UTF-8; a lone surrogate is also the undecodable byte that Python made it from (PEP 383)."""
    encoded = {text.encode("utf-8", "surrogatepass")}
    try:
        encoded.add(text.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError:
        return encoded
    return encoded


class Redactor:
    """Masks known secret values in text and output.

    Every occurrence of every value, of its URL-encoded and its JSON-escaped forms and of each
    useful line of a value of several lines is covered; occurrences that overlap share one mask.
    Other encodings (base64, hex) are not recognised. ``withheld`` says why not every value is
    known: then nothing is passed on of what is only ``heard``, but this.
    """

    __slots__ = ("_heads", "_long", "_needles", "_short", "_starts", "_words", "withheld")

    def __init__(self, values: Iterable[str], withheld: str = "") -> None:
        self.withheld = withheld
        parts = {part for value in values for part in _parts(value) if len(part) >= MIN_LENGTH}
        spelled = {text for part in parts for text in _spellings(part)}
        self._needles = tuple(sorted({code for text in spelled for code in _encodings(text)}))
        self._heads = tuple((needle, needle[:MIN_LENGTH]) for needle in self._needles)
        self._starts = tuple(
            (size, tuple({needle[:size] for needle in self._needles}))
            for size in range(MIN_LENGTH - 1, 0, -1)
        )
        wordy = tuple(needle for needle in self._needles if len(needle) >= _MIN_WORDY)
        self._long = wordy if len(wordy) > _MANY else ()
        self._short = tuple(needle for needle in self._needles if needle not in set(self._long))
        self._words = frozenset(
            int.from_bytes(needle[at : at + _WORD], "little")
            for needle in self._long
            for at in range(_WORD)
        )

    def __repr__(self) -> str:
        return f"Redactor({len(self._needles)} spellings)"

    def text(self, text: str) -> str:
        """``text`` without any known value."""
        data = text.encode("utf-8", "surrogatepass")
        masked = self.bytes(data)
        if masked is data:
            return text
        try:
            return masked.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            return masked.decode("utf-8", "replace")

    def heard(self, text: str) -> str:
        """A remark of somebody else, without any known value; where not all are known, why."""
        return self.withheld if self.withheld and text.strip() else self.text(text)

    def bytes(self, data: Bytes) -> Bytes:
        """``data`` without any known value; the same object where there is nothing to mask."""
        return self._mask(data, len(data), 0)[0]

    def stream(self) -> RedactorStream:
        """A redactor for output that comes in chunks."""
        return RedactorStream(self)

    def _hit(self, data: Bytes) -> bool:
        """False if no needle is in ``data``; true if one may be. Cost: about one pass at 5 GB/s
        for each needle, or one at 160 MB/s for any number of long ones."""
        if any(needle in data for needle in self._short):
            return True
        if not self._long or len(data) < _MIN_WORDY:
            return False
        whole = memoryview(data)[: len(data) // _WORD * _WORD]
        return not self._words.isdisjoint(_little_words(whole))

    def _spans(self, data: Bytes) -> list[tuple[int, int]]:
        spans = []
        for needle in self._needles:
            at = data.find(needle)
            while at != -1:
                spans.append((at, at + len(needle)))
                at = data.find(needle, at + 1)
        return sorted(spans)

    def _mask(self, data: Bytes, upto: int, covered: int) -> tuple[Bytes, int]:
        """Mask ``data[:upto]``, of which the first ``covered`` bytes stand behind a mask already.
        Also returns how many bytes from ``upto`` on the last mask covers."""
        if not covered and not self._hit(data):
            return (data if upto == len(data) else data[:upto]), 0
        out: list[Bytes] = []
        end = covered
        for start, stop in self._spans(data):
            if start >= upto:
                break
            if start >= end:
                out += (data[end:start], MASK)
            end = max(end, stop)
        if not out and not covered:
            return (data if upto == len(data) else data[:upto]), 0
        out.append(data[end:upto])
        return b"".join(out), max(0, end - upto)

    def _held_from(self, data: Bytes) -> int:
        """Where the longest end of ``data`` begins that could be the start of a needle."""
        size = len(data)
        first = size
        for needle, head in self._heads:
            at = data.find(head, max(0, size - len(needle) + 1))
            while -1 < at < first:
                if needle.startswith(data[at:]):
                    first = at
                    break
                at = data.find(head, at + 1)
        for length, starts in self._starts:
            if size - length < first and data.endswith(starts):
                return size - length
        return first


def _little_words(view: memoryview) -> memoryview | list[int]:
    """The 64-bit words of ``view``, little-endian on every machine."""
    words = view.cast("Q")
    if _NATIVE_LITTLE:
        return words
    return [int.from_bytes(word.to_bytes(_WORD, "big"), "little") for word in words]


_NATIVE_LITTLE = memoryview(b"\x01" + bytes(_WORD - 1)).cast("Q")[0] == 1


class RedactorStream:
    """Masks output as it comes. Holds back only what could be the start of a secret: less than
    the length of the longest spelling."""

    __slots__ = ("_covered", "_held", "_redactor")

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._held = b""
        self._covered = 0

    def feed(self, chunk: bytes) -> bytes:
        """Take the next chunk; return all of it, and of what was held, that is certain."""
        data = self._held + chunk if self._held else chunk
        hold = self._redactor._held_from(data)
        out, self._covered = self._redactor._mask(data, hold, self._covered)
        self._held = data[hold:]
        return out

    def flush(self) -> bytes:
        """The output has ended: return what was held."""
        out, _ = self._redactor._mask(self._held, len(self._held), self._covered)
        self._held, self._covered = b"", 0
        return out
