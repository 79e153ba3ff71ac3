"""Output on a terminal, however it is cut into pieces."""

from __future__ import annotations

import pytest

from dotagent.cli.screen import MOST_HELD, Plain

OUTPUT = "plain\r\n\x1b[1;31mréd\x1b[0m \x1b]0;title\x07x\n\x1b(B10 %\r50 %\n".encode()


@pytest.mark.parametrize("cut", range(len(OUTPUT) + 1))
def test_cut_does_not_matter(cut: int) -> None:
    """Wherever the output is cut, the same text is shown, and nothing that steers a terminal."""
    plain = Plain()
    shown = plain.feed(OUTPUT[:cut]) + plain.feed(OUTPUT[cut:]) + plain.feed(b"", last=True)

    assert "plain\nréd x\n10 %\n50 %\n" == shown


def test_line_without_end_is_shown_at_once() -> None:
    """A prompt is not held back until its line ends."""
    assert "50 %" == Plain().feed(b"50 %")


def test_endless_sequence_holds_nothing_back() -> None:
    """What never ends was no sequence."""
    assert "" != Plain().feed(b"\x1b]" + b"x" * MOST_HELD + b"y")
