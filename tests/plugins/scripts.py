"""Plugins as a user writes them: small programs in bash and Python, made for one test."""

from __future__ import annotations

import sys
from pathlib import Path

from dotagent.plugins.find import PREFIX


def write(folder: Path, short: str, body: str, *, mode: int = 0o755) -> Path:
    """A plugin ``short`` in ``folder`` with this text, shebang included."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (PREFIX + short)
    path.write_text(body)
    path.chmod(mode)
    return path


def bash(folder: Path, body: str, short: str = "demo") -> str:
    """The path of a plugin in bash."""
    return str(write(folder, short, f"#!/bin/bash\n{body}\n"))


def python(folder: Path, body: str, short: str = "demo") -> str:
    """The path of a plugin in Python, without its site packages: it starts faster so."""
    return str(write(folder, short, f"#!{sys.executable} -IS\nimport json, os, sys\n{body}\n"))
