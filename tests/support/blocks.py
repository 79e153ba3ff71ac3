"""The code blocks of a page, and its links."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One line after a ``$``; ``status``: the exit code that a comment announces."""

    text: str
    status: int

    @property
    def words(self) -> list[str]:
        return shlex.split(self.text, comments=True)


def blocks(page: Path, kind: str) -> list[str]:
    """The texts of a page's blocks of one language."""
    return [
        "\n".join(line.removeprefix(indent) for line in text.splitlines()) + "\n"
        for indent, language, text in _BLOCK.findall(page.read_text())
        if language == kind
    ]


def commands(page: Path) -> Iterator[Command]:
    """Every command that a page shows, in order."""
    for block in blocks(page, "console"):
        for line in block.splitlines():
            if line.startswith("$ "):
                found = re.search(r"# exits (\d+)$", line)
                yield Command(text=line[2:], status=int(found[1]) if found else 0)


def links(page: Path) -> list[str]:
    """Where a page's links lead, but for those to other sites."""
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(), flags=re.DOTALL)
    return [each for each in _LINK.findall(text) if "://" not in each and "mailto:" not in each]


def anchors(page: Path) -> set[str]:
    """The names of a page's headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}
