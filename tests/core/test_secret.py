"""References are resolved or refused; known values never get through, in whatever chunks."""

from __future__ import annotations

import json
import time
from itertools import pairwise
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dotagent.core.secret import MASK, Redactor, Unresolved, pieces, references, resolve

VALUES = {"TOKEN": "t0k", "URL": "https://x/${TOKEN}", "EMPTY": "", "odd name!": "odd", "$": "cash"}


# ---------------------------------------------------------------------------------- references


@pytest.mark.parametrize(
    ("text", "resolved"),
    [
        ("", ""),
        ("plain $TOKEN and {TOKEN}", "plain $TOKEN and {TOKEN}"),
        ("${TOKEN}", "t0k"),
        ("a${TOKEN}b${TOKEN}c", "at0kbt0kc"),
        ("${URL}", "https://x/${TOKEN}"),
        ("${odd name!}", "odd"),
        ("$${TOKEN}", "${TOKEN}"),
        ("$${TOKEN} ${TOKEN}", "${TOKEN} t0k"),
        ("$$${TOKEN}", "$${TOKEN}"),
        ("$${", "${"),
        ("$$", "$$"),
        ("${$}", "cash"),
    ],
)
def test_references_are_replaced_once(text: str, resolved: str) -> None:
    """Each reference becomes its value, which is not looked at again; ``$${`` is literal."""
    assert resolved == resolve(text, VALUES.get)


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ("a ${ABSENT} b", "ABSENT", "${ABSENT} is not set"),
        ("${EMPTY}", "EMPTY", "${EMPTY} is set, but empty"),
        ("${}", "", "${} names no secret"),
        (
            "x ${TOKEN and/more",
            "TOKEN",
            "a reference that begins with ${TOKEN has no closing brace",
        ),
        ("${", "", "a reference that begins with ${ has no closing brace"),
        ("${" + "N" * 99 + "}", "N" * 99, "${" + "N" * 60 + "…} is not set"),
    ],
)
def test_what_cannot_be_resolved_is_refused(text: str, name: str, message: str) -> None:
    """Nothing is ever sent with a reference left in it; the reason names it."""
    with pytest.raises(Unresolved) as raised:
        resolve(text, VALUES.get)

    assert (name, message) == (raised.value.name, raised.value.message)
    assert raised.value.hint


def test_names_are_listed_once_in_order() -> None:
    """What a text refers to, without literals and malformed ones."""
    assert ("B", "A") == references("${B} ${A} $${C} ${B} ${} ${D")


@given(st.text(), st.text())
def test_resolving_is_total(text: str, value: str) -> None:
    """Any text resolves or is refused; resolved, it has a value in place of each reference."""
    try:
        resolved = resolve(text, lambda name: value)
    except Unresolved:
        return

    assert ("${" not in text) <= (text == resolved)


# ------------------------------------------------------------------------------------ redaction


def test_values_are_masked() -> None:
    """Every occurrence in text and bytes goes; the rest stays as it is."""
    redactor = Redactor(["s3cret", "päss"])

    assert "a [redacted] b [redacted][redacted]" == redactor.text("a s3cret b s3cretpäss")
    assert b"\xff[redacted]\xfe" == redactor.bytes(b"\xffs3cret\xfe")
    assert "nothing" == redactor.text("nothing")


@pytest.mark.parametrize(
    "value", ["a b/c+d&é", 'quo"te\\back\nline', "tab\tand/slash", "it's (ok)!"]
)
def test_usual_spellings_are_masked(value: str) -> None:
    """What curl, browsers and JSON encoders make of a value is masked as well."""
    redactor = Redactor([value])
    spellings = [
        value,
        quote(value),
        quote(value, safe=""),
        quote_plus(value),
        quote(value, safe="").lower() if value.islower() else quote(value),
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        json.dumps(value)[1:-1].replace("/", "\\/"),
    ]

    assert ["<[redacted]>"] * len(spellings) == [redactor.text(f"<{text}>") for text in spellings]


def test_lines_of_a_key_are_masked() -> None:
    """A PEM key printed line by line, indented or with other line ends, shows no line of it."""
    lines = ["MIIEvQIBADANBgkq", "hkiG9w0BAQEFAASC", "QUI="]
    key = "\n".join(["-----BEGIN PRIVATE KEY-----", *lines, "-----END PRIVATE KEY-----", ""])
    redactor = Redactor([key])

    assert "[redacted]" == redactor.text(key.strip())
    assert "  [redacted]\r\n  [redacted]\r\n" == redactor.text(
        "  MIIEvQIBADANBgkq\r\n  hkiG9w0BAQEFAASC\r\n"
    )
    assert "-----BEGIN PRIVATE KEY-----" == redactor.text("-----BEGIN PRIVATE KEY-----")


def test_space_around_a_value_does_not_hide_it() -> None:
    """A value read from a file ends with a line feed; it is masked without it, too."""
    assert "([redacted])" == Redactor(["s3cret\n"]).text("(s3cret)")


def test_short_values_are_left_alone() -> None:
    """Three characters mask nothing: every text would be full of holes."""
    assert "yes or no: 123" == Redactor(["yes", "no", "123", ""]).text("yes or no: 123")


def test_overlapping_values_share_a_mask() -> None:
    """Where values overlap or contain each other nothing of any of them stays."""
    assert "[redacted]" == Redactor(["abcd", "abcdefgh"]).text("abcdefgh")
    assert "[redacted]!" == Redactor(["xabcd", "abcdef"]).text("xabcdef!")
    assert "[redacted]a" == Redactor(["aaaa"]).text("aaaa") + "a"
    assert "[redacted]" == Redactor(["aaaa"]).text("a" * 99)


def test_undecodable_values_are_masked() -> None:
    """A value from the environment that is not UTF-8 is masked as the bytes it is."""
    redactor = Redactor(["pa\udcffss\udc80"])

    assert b"<[redacted]>" == redactor.bytes(b"<pa\xffss\x80>")
    assert "<[redacted]>" == redactor.text("<pa\udcffss\udc80>")
    assert "\ud800" == redactor.text("\ud800")


def test_nothing_shows_the_values() -> None:
    """A redactor in a log or a traceback keeps its values to itself."""
    assert "s3cret" not in repr(Redactor(["s3cret"])) + repr(Redactor(["s3cret"]).stream())


@pytest.mark.parametrize("count", [10, 200])
def test_every_one_of_many_values_is_masked(count: int) -> None:
    """Many long values are sought in another way than few; none gets through, wherever it is."""
    values = [f"value-{number:06}-{number * 7919:08x}" for number in range(count)]
    redactor = Redactor(values)
    text = "".join("." * (number % 11) + value for number, value in enumerate(values))

    assert count == redactor.text(text).count("[redacted]")
    assert "value" not in redactor.text(text)
    assert "value-000001-X" == redactor.text("value-000001-X")


def test_redaction_keeps_up_with_the_capture() -> None:
    """64 KiB chunks of ordinary output cost well under a millisecond each."""
    chunk = b"2026-05-19 12:00:01 INFO worker processed item 12345 in 0.42 s\n" * 1_000
    stream = Redactor(f"secret-{n}-{'x' * 20}" for n in range(10)).stream()
    began = time.process_time()
    for _ in range(200):
        stream.feed(chunk)
    rate = 200 * len(chunk) / (time.process_time() - began)

    assert rate > 30_000_000  # some 600 MB/s on a quiet machine


# ------------------------------------------------------------------------------------- in chunks

ALPHABET = st.sampled_from(b"ab")
NEEDLES = st.lists(st.text("ab", min_size=4, max_size=9), min_size=1, max_size=4)


def masked(data: bytes, needles: list[str]) -> bytes:
    """The plainest way to say what redaction is."""
    covered = [False] * len(data)
    joined = [False] * len(data)
    for needle in {needle.encode() for needle in needles}:
        for at in range(len(data)):
            if data.startswith(needle, at):
                covered[at : at + len(needle)] = [True] * len(needle)
                joined[at + 1 : at + len(needle)] = [True] * (len(needle) - 1)
    return b"".join(
        (b"" if joined[at] else MASK) if covered[at] else data[at : at + 1]
        for at in range(len(data))
    )


@given(st.lists(ALPHABET, max_size=60).map(bytes), NEEDLES)
def test_whole_text_is_masked_as_defined(data: bytes, needles: list[str]) -> None:
    """All occurrences of all values are covered, one mask for those that overlap."""
    assert masked(data, needles) == Redactor(needles).bytes(data)


@given(
    st.lists(ALPHABET, max_size=60).map(bytes), NEEDLES, st.lists(st.integers(0, 60), max_size=8)
)
def test_chunks_change_nothing(data: bytes, needles: list[str], cuts: list[int]) -> None:
    """However the output is cut, what comes out in the end is the same."""
    stream = Redactor(needles).stream()
    out = b"".join(
        stream.feed(data[a:b]) for a, b in pairwise([0, *sorted(cuts), len(data)]) if a <= b
    )

    assert masked(data, needles) == out + stream.flush()


@given(st.lists(ALPHABET, max_size=40).map(bytes), NEEDLES)
def test_only_what_must_be_is_held_back(data: bytes, needles: list[str]) -> None:
    """What is not yet out is shorter than a value; and what no value begins with is out at once."""
    stream = Redactor(needles).stream()
    out = stream.feed(data)
    rest = stream.flush()

    assert masked(data, needles) == out + rest
    assert len(rest.replace(MASK, b"")) < max(map(len, needles))
    assert b"x" == stream.feed(b"x")


def test_flushed_stream_starts_afresh() -> None:
    """After the end nothing of the old output is left."""
    stream = Redactor(["abcd"]).stream()
    stream.feed(b"abc")
    stream.flush()

    assert b"d" == stream.feed(b"d")


def test_stream_without_values_passes_everything() -> None:
    """With nothing to mask a chunk goes through as the same object."""
    chunk = b"x" * 1_000

    assert chunk is Redactor(()).stream().feed(chunk)


def test_a_remark_is_masked_or_withheld() -> None:
    """Where not every value is known, nothing of a remark is passed on but the reason; our own
    words still are, and silence stays silence."""
    knows, doubts = Redactor(["hunter2"]), Redactor(["hunter2"], "withheld: why")

    assert ["say [redacted]", "withheld: why", ""] == [
        knows.heard("say hunter2"),
        doubts.heard("say hunter3"),
        doubts.heard(""),
    ]
    assert "say [redacted]" == doubts.text("say hunter2")


@pytest.mark.parametrize(
    ("part", "is_masked"),
    [
        ("XkTqPzWbLm", True),
        ("ab12cd34", True),
        ("a-topic-that-nobody-guesses", True),
        ("services", False),
        ("Notifications", False),
        ("aB3", False),
    ],
)
def test_a_part_of_an_address_alone(part: str, is_masked: bool) -> None:
    """What looks made up is masked wherever it stands; words that many addresses hold are not."""
    redactor = Redactor(pieces(f"https://hooks.example.org/in/{part}/x"))

    assert is_masked == (redactor.text(f"see {part}!") == "see [redacted]!")
    assert "[redacted]" in redactor.text(f"POST /in/{part}/x")
