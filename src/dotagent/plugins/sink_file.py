"""``dotagent-plugin-sink-file``: what an agent printed goes into a file (contract §11).

Configuration: ``path``, ``mode`` (``overwrite``, or ``append``), and ``full_output``: all of it,
not only its end. Invariant: a reader of an overwritten file sees the old text or the new one, never
half of either.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from typing import IO, Any

from dotagent.plugins.program import Answer, Failed, Program

NEW_MODE = 0o666
"""Of a new file, as far as the umask lets it."""


def invoke(config: Mapping[str, Any], payload: Mapping[str, Any]) -> Answer:
    """Write the message's bytes, nothing before or after them."""
    path = config.get("path")
    if not isinstance(path, str) or not path:
        raise Failed("path is required")
    folder = os.path.dirname(os.path.abspath(path))
    os.makedirs(folder, exist_ok=True)
    if config.get("mode") == "append":
        with open(path, "ab") as file:
            _copy(config, payload, file)
    else:
        _overwrite(os.path.realpath(path), config, payload)
    return {"ok": True, "written_to": path}


def _overwrite(path: str, config: Mapping[str, Any], payload: Mapping[str, Any]) -> None:
    """Through a file beside it, which is durable before it takes the place. A file that is there
    already keeps its mode."""
    descriptor, draft = tempfile.mkstemp(prefix=".dotagent-", dir=os.path.dirname(path))
    try:
        with open(descriptor, "wb") as file:
            _copy(config, payload, file)
            os.fchmod(file.fileno(), _mode(path))
            file.flush()
            os.fsync(file.fileno())
        os.rename(draft, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(draft)
        raise


def _mode(path: str) -> int:
    try:
        return os.stat(path).st_mode & 0o777
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        return NEW_MODE & ~mask


def _copy(config: Mapping[str, Any], payload: Mapping[str, Any], file: IO[bytes]) -> None:
    output = payload.get("output_path")
    if config.get("full_output") is True and isinstance(output, str):
        with open(output, "rb") as whole:
            shutil.copyfileobj(whole, file)
        return
    file.write(str(payload.get("message") or "").encode("utf-8", "surrogatepass"))


PROGRAM = Program(
    name="sink-file",
    kinds=("sink",),
    required=("path",),
    properties={
        "path": {"type": "string"},
        "mode": {"type": "string"},
        "full_output": {"type": "boolean"},
    },
    invoke=invoke,
)


def main() -> int:
    """The console script."""
    return PROGRAM.main()
