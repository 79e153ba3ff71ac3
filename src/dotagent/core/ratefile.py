"""The file that says when an iMessage was last sent to somebody, as dotagent 0.1.x wrote it
(contract §4). Nobody here reads it: what may be sent is decided from the store.
"""

from __future__ import annotations

import json
import re
from datetime import datetime, tzinfo

from dotagent.core.heartbeat import ISO

_LONGEST = 200
"""Of a file name of at most 255 bytes, with room for its ending."""


def name(to: str) -> str:
    """The name of the recipient's file: every character but ASCII letters and digits is ``_``."""
    return re.sub(r"[^A-Za-z0-9]", "_", to)[:_LONGEST] + ".json"


def text(to: str, at: int, zone: tzinfo) -> str:
    """The exact content of the file, local time in ``zone``."""
    iso = datetime.fromtimestamp(at // 1_000, zone).strftime(ISO)
    content = {"last_send_at": at // 1_000, "last_send_iso": iso, "to": to}
    return json.dumps(content, ensure_ascii=False, indent=2)
