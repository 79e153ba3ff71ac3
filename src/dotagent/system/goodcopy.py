"""Last good copies: the manifests and the configuration that stay in force while the current ones
are wrong, also over a restart.

Invariant: a copy is the exact bytes that were once parsed and accepted, or it is not there.
"""

from __future__ import annotations

from dotagent.core.errors import HomeError
from dotagent.system import files


def write(path: str, data: bytes) -> None:
    """Keep ``data`` as the good copy ``path``, durably. OSError if it cannot be kept; the earlier
    copy then still stands."""
    files.write_atomic(path, data, durable=True)


def read(path: str) -> bytes | None:
    """The good copy; None if there is none. HomeError if there is one that cannot be read."""
    try:
        return files.read_if_there(path)
    except OSError as error:
        raise HomeError(
            f"the last good copy {path} cannot be read: {error.strerror}",
            "remove it, and mend the file that it is a copy of",
        ) from error


def forget(path: str) -> bool:
    """Remove the good copy of what is wanted no more; whether there was one."""
    return files.remove_if_there(path)
