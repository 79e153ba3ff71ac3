"""A fault of dotagent itself, in words that name the place and hold no data."""

from __future__ import annotations

import os
import traceback


def fault(error: Exception) -> str:
    """Where it happened and of what class; an exception's own text may hold a secret."""
    frames = traceback.extract_tb(error.__traceback__)
    where = "an unknown place"
    if frames:
        where = f"{os.path.basename(frames[-1].filename)}:{frames[-1].lineno}"
    return f"a fault in dotagent itself, {type(error).__name__} at {where}; please report it"
