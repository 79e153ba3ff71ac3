"""Writes requirements/*.txt: every package that is installed anywhere, with version and hashes.

One resolution serves all: the development set is resolved first and constrains the others, for
every supported Python and platform at once. Only names, versions, markers and hashes are written,
never where a package came from. A pin that still fits stays, unless ``--upgrade`` is given.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = "requirements"
LOCKS = {
    "dev": ["pyproject.toml", "--group", "dev"],
    "runtime": ["pyproject.toml", "--constraint", f"{FOLDER}/dev.txt"],
    "build": ["--group", "build", "--constraint", f"{FOLDER}/dev.txt"],
    "lock": ["--group", "lock"],
}
"""File to what goes into it, in the order in which they are resolved."""

OPTIONS = [
    "--universal",
    "--python-version=3.11",
    "--fork-strategy=fewest",
    "--generate-hashes",
    "--no-header",
    "--no-annotate",
    "--no-emit-index-url",
    "--no-emit-find-links",
    "--no-config",
    "--quiet",
]


def environment() -> dict[str, str]:
    """This process's environment without the settings that point to a folder of wheels: their
    hashes would be those of one machine's builds."""
    folders = {"PIP_FIND_LINKS", "UV_FIND_LINKS"}
    return {name: value for name, value in os.environ.items() if name not in folders}


def main() -> int:
    """Resolve with the locked resolver, in an environment of its own."""
    parser = argparse.ArgumentParser(description="Write the requirements files anew.")
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions")
    upgrade = ["--upgrade"] if parser.parse_args().upgrade else []

    with tempfile.TemporaryDirectory(prefix="lock-") as scratch:
        venv.create(scratch, with_pip=True)
        python = str(Path(scratch) / "bin" / "python")
        install = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        run([*install, "--require-hashes", "-r", f"{FOLDER}/lock.txt"])
        for name, sources in LOCKS.items():
            target = f"{FOLDER}/{name}.txt"
            print(f"resolving {target}")
            resolver = [python, "-m", "uv", "pip", "compile", "--python", sys.executable]
            run([*resolver, *OPTIONS, *upgrade, *sources, "--output-file", target])
    return 0


def run(argv: list[str]) -> None:
    subprocess.run(argv, cwd=ROOT, env=environment(), check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main())
