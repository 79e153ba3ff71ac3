"""What scripts write to ``$AGENT_RESULT`` becomes bounded facts, and what is wrong is said."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dotagent.core.result import MAX_BYTES, MAX_KEYS, MAX_TEXT, OUTCOMES, parse_result

AT = 1_779_201_001_000  # 2026-05-19T14:30:01Z


@pytest.mark.parametrize(
    ("data", "facts"),
    [
        (b"", {}),
        (b"\n  \n# a remark\n", {}),
        (b"summary=3 files = 1 MB\n", {"summary": "3 files = 1 MB"}),
        (b" rows = 7 \r\ncost_usd=0.25\r\n", {"rows": 7, "cost_usd": 0.25}),
        (b"a=-3\nb=+4\nc=1e3\nd=.5", {"a": -3, "b": 4, "c": 1000.0, "d": 0.5}),
        (b"zip=00123\nid=1_000\nb=" + b"9" * 20, {"zip": "00123", "id": "1_000", "b": "9" * 20}),
        (b"rows=1\nrows=2\n", {"rows": 2}),
        (b"summary=007\nsummary=0.50\n", {"summary": "0.50"}),
        (b"\xef\xbb\xbfrows=1\n", {"rows": 1}),
        (b"note=\xff\n", {"note": "\ufffd"}),
        (b"note=\n", {"note": ""}),
        (b'{"summary": "two\\nlines", "rows": 3}', {"summary": "two lines", "rows": 3}),
        (b' \n{"ok": true, "none": null, "list": [1, "a"]}', {"ok": "true", "list": '[1, "a"]'}),
        (b"outcome=Warn\n", {"outcome": "warn"}),
        (b"link=https://ci.example/run/1\n", {"link": "https://ci.example/run/1"}),
        (b"retry_at=1779201001\n", {"retry_at": AT}),
        (b"retry_at=1779201001.5\n", {"retry_at": AT + 500}),
        (b"retry_at=1779201001000\n", {"retry_at": AT}),
        (b"retry_at=2026-05-19T14:30:01Z\n", {"retry_at": AT}),
        (b"retry_at=2026-05-19T11:30:01-0300\n", {"retry_at": AT}),
        (b'{"retry_at": 1779201001}', {"retry_at": AT}),
    ],
)
def test_facts_are_read(data: bytes, facts: dict[str, Any]) -> None:
    """Lines and JSON, numbers and texts, and the keys that mean something."""
    assert (facts, None) == parse_result(data)


@pytest.mark.parametrize(
    ("data", "facts", "problem"),
    [
        (b"rows=1\nnonsense\n", {"rows": 1}, "line 2 is not key=value: 'nonsense'"),
        (
            b"x\ny\n=z\nrows=1\n",
            {"rows": 1},
            "line 1 is not key=value: 'x'; 2 more lines are not key=value",
        ),
        (b"outcome=great\n", {}, "outcome: 'great' is none of ok, warn, skip, fail"),
        (b"link=javascript:alert(1)\n", {}, "link: 'javascript:alert(1)' is no http(s) address"),
        (b'{"link": "https://a b"}', {}, "link: 'https://a b' is no http(s) address"),
        (
            b"retry_at=2026-05-19T14:30:01\n",
            {},
            "retry_at: '2026-05-19T14:30:01' has no zone; write it like 2026-05-19T14:30:00+02:00",
        ),
        (
            b"retry_at=soon\n",
            {},
            "retry_at: 'soon' is neither seconds since 1970 nor a date like 2026-05-19T14:30:00Z",
        ),
        (b"retry_at=-5\n", {}, "retry_at: '-5' is no instant between 1970 and 9999"),
        (b'{"retry_at": true}', {}, "retry_at: 'true' is no instant"),
        (b'{"retry_at": 1e300}', {}, "retry_at: '1e+300' is no instant between 1970 and 9999"),
        (b'{"rows": NaN, "a": 1}', {"a": 1}, "rows: is not a finite number"),
        (b'{"rows": 1', {}, "not valid JSON: Expecting ',' delimiter at line 1 column 11"),
        (b'{"a": ' + b"1" * 5_000 + b"}", {}, "not valid JSON: a number has too many digits"),
        (b'{"bad key!": 1, "a": 2}', {"a": 2}, None),
        (b'{"a":' * 20_000, {}, None),
    ],
)
def test_what_cannot_be_used_is_said(
    data: bytes, facts: dict[str, Any], problem: str | None
) -> None:
    """One text names what is wrong; all that is right is still used."""
    found, said = parse_result(data)

    assert facts == found
    assert said is not None
    assert problem in (None, said)


def test_only_whole_lines_of_a_large_file_count() -> None:
    """Of lines beyond 64 KiB the last, cut one is dropped; JSON that is cut is no JSON."""
    lines = b"a=1\n" + b"b=" + b"x" * MAX_BYTES + b"\nc=3\n"
    said = "it is larger than 64 KiB; the rest was not read"

    assert ({"a": 1}, said) == parse_result(lines)
    assert parse_result(b'{"a": 1, "b": "' + b"x" * MAX_BYTES + b'"}')[0] == {}


def test_keys_and_texts_are_bounded() -> None:
    """No script can fill the store: 64 keys, 1,000 characters."""
    facts, said = parse_result(b"".join(b"k%d=%s\n" % (n, b"x" * 200) for n in range(100)))
    long, _ = parse_result(b"summary=" + "é".encode() * 5_000)

    assert MAX_KEYS == len(facts)
    assert f"it has more than {MAX_KEYS} keys; the rest was not used" == said
    assert "é" * (MAX_TEXT - 1) + "…" == long["summary"]


@given(
    st.binary(max_size=300)
    | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace"))
)
def test_anything_is_survived(data: bytes) -> None:
    """Any bytes give plain JSON data and never an error."""
    facts, _ = parse_result(data)

    assert facts == json.loads(json.dumps(facts, allow_nan=False))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
KEYS = st.sampled_from(["summary", "link", "outcome", "retry_at", "rows", "cost_usd", "!"])


@given(st.dictionaries(KEYS, JSON, max_size=5))
def test_any_json_is_survived(values: dict[str, Any]) -> None:
    """Any JSON object gives facts of the promised types."""
    facts, _ = parse_result(json.dumps(values).encode())

    assert all(isinstance(value, str | int | float) for value in facts.values())
    assert isinstance(facts.get("retry_at", 1), int)
    assert facts.get("outcome", "ok") in OUTCOMES
    assert facts == json.loads(json.dumps(facts, allow_nan=False))
