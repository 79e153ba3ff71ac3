"""Whose certificates are trusted: the machine's, or a notifier's own ``ca_file``."""

from __future__ import annotations

import os
import ssl
from functools import lru_cache

from dotagent.core.model import RejectDestination
from dotagent.drivers.kit.journey import Undelivered


def stamp(ca_file: str | None) -> int:
    """Changes when the file is replaced, so that a renewed CA is taken up without a restart."""
    try:
        return os.stat(ca_file).st_mtime_ns if ca_file else 0
    except OSError:
        return 0


def trust(ca_file: str | None) -> ssl.SSLContext:
    """Trust what this file vouches for, and nothing else: as ``curl --cacert``. Without one, what
    the machine trusts. Read again when the file is replaced."""
    return _trust(ca_file, stamp(ca_file))


@lru_cache(maxsize=32)
def _trust(ca_file: str | None, _stamp: int) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # ssl.SSLError is one
        why = "holds no certificate" if isinstance(error, ssl.SSLError) else "cannot be read"
        raise Undelivered(RejectDestination(why=f"ca_file {ca_file} {why}")) from None
