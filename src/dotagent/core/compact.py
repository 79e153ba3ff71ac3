"""JSON as short as it gets, for what is stored, chained or sent. Pure.

The encoder is made once: ``json.dumps`` makes another for every call with settings of its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

compact: Callable[[Any], str] = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":")
).encode
"""Of any text only what JSON demands is escaped. ValueError for NaN, TypeError for no JSON."""

loose: Callable[[Any], str] = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
"""The same for what only we read again: a script may have reported NaN."""
