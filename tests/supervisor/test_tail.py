"""The tail is the end of the output by the rule of contract §5, in bounded memory."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dotagent.core.model import Tail
from dotagent.supervisor.tail import TailBuffer


def tail_of(*chunks: bytes, lines: int = 500, size: int = 65_536) -> Tail:
    """The tail of output that came in these chunks."""
    buffer = TailBuffer(lines, size)
    for chunk in chunks:
        buffer.add(chunk)
    return buffer.tail()


@pytest.mark.parametrize(
    ("output", "text"),
    [
        (b"", ""),
        (b"one", "one"),
        (b"one\n", "one"),
        (b"one\r\ntwo\r\n", "one\ntwo"),
        (b"one\r\r\ntwo", "one\r\ntwo"),
        (b"a\rb\x0bc\xc2\x85d\xe2\x80\xa8e\n", "a\rb\x0bc\x85d\u2028e"),
        (b"one\n\n\n", "one\n\n"),
        (b"\n", ""),
        ("é😀\n".encode(), "é😀"),
        (b"ok \xff\xfe \xc3(\n", "ok \ufffd\ufffd \ufffd("),
        (b"nul \x00 and \x1b[31mred\n", "nul \x00 and \x1b[31mred"),
    ],
)
def test_lines_are_those_of_the_contract(output: bytes, text: str) -> None:
    """Only line feeds part lines, one carriage return goes, what cannot be decoded is replaced."""
    assert Tail(text=text) == tail_of(output)


def test_last_lines_are_kept_and_the_others_counted() -> None:
    """Of 1,000 lines the last 500 are there, the other 500 are counted."""
    output = b"".join(b"%d\n" % number for number in range(1_000))

    assert Tail(text="\n".join(map(str, range(500, 1_000))), dropped=500) == tail_of(output)


def test_bytes_bound_the_tail_too() -> None:
    """Where lines are long the byte limit cuts, at a line's start."""
    assert Tail(text="ccc\nddd", dropped=2) == tail_of(b"aaa\nbbb\nccc\nddd\n", size=10)


def test_one_endless_line_keeps_its_end() -> None:
    """A piece of the only line is better than nothing; it counts as dropped: it is not whole."""
    assert Tail(text="x" * 100, dropped=1) == tail_of(*[b"x" * 70_000] * 3, size=100)


def test_no_character_is_cut_in_half() -> None:
    """The cut falls between characters, in the only line and after undecodable bytes."""
    assert Tail(text="€€", dropped=1) == tail_of("€€€€".encode(), size=8)
    assert Tail(text="\ufffd\ufffd", dropped=1) == tail_of(b"\xff" * 100, size=8)


@given(
    st.lists(st.binary(max_size=40) | st.sampled_from([b"\n", b"\r\n", b"a\n" * 9]), max_size=30),
    st.integers(1, 60),
    st.integers(0, 12),
)
def test_tail_is_bounded_and_honest(chunks: list[bytes], size: int, lines: int) -> None:
    """Any output in any chunks: within the limits, the end of it, every line accounted for."""
    buffer = TailBuffer(lines, size)
    for chunk in chunks:
        buffer.add(chunk)
        assert buffer.held() <= 2 * size + len(chunk)
    tail = buffer.tail()
    whole = b"".join(chunks).decode("utf-8", "replace").split("\n")
    all_lines = [line.removesuffix("\r") for line in (whole[:-1] if whole[-1] == "" else whole)]
    shown = tail.text.split("\n") if lines and len(all_lines) > tail.dropped else []

    assert len(tail.text.encode()) <= size
    assert len(shown) <= lines
    assert all_lines[len(all_lines) - len(shown) :] == shown
    assert len(all_lines) == tail.dropped + len(shown)


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=5), st.integers(1, 80))
def test_chunks_do_not_matter(output: bytes, cuts: list[int], size: int) -> None:
    """The same output in other chunks has the same tail."""
    edges = [0, *sorted(cut for cut in cuts if cut <= len(output)), len(output)]
    chunks = [output[a:b] for a, b in pairwise(edges)]

    assert tail_of(output, size=size) == tail_of(*chunks, size=size)
