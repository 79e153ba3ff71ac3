"""Blocks, links and headings of a page."""

from __future__ import annotations

from pathlib import Path

from tests.support import blocks


def test_a_page(tmp_path: Path) -> None:
    """Blocks by their language; links that stay inside; headings as anchors."""
    page = tmp_path / "page.md"
    page.write_text(
        "# One `two`, three\n\n```toml\na = 1\n```\n\n```text\n[no](link)\n```\n"
        "[x](a.md#b) [y](https://example.org) `[z](q)`\n"
    )

    assert ["a = 1\n"] == blocks.blocks(page, "toml")
    assert ["a.md#b"] == blocks.links(page)
    assert {"one-two-three"} == blocks.anchors(page)
