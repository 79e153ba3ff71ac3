"""Objective-C, for what macOS offers nobody else: a message to an object, and its answer.

Invariant: the only module that knows rubicon; imported on macOS alone, when first wanted. Untested
on hardware: the tests have a recorded double in its place.
"""

from __future__ import annotations

from typing import Any

from dotagent.core.model import Unsupported
from dotagent.drivers.kit.journey import Undelivered


def send(receiver: Any, selector: str, *arguments: Any, answers: bool = True) -> Any | None:
    """Implements ``ports.Cocoa``."""
    try:
        from rubicon.objc import ObjCClass, ObjCInstance, at
        from rubicon.objc.runtime import objc_id, send_message
    except (ImportError, OSError, ValueError):  # the library itself cannot be loaded elsewhere
        why = "Cocoa cannot be used: the package rubicon-objc is not installed here"
        raise Undelivered(Unsupported(why=why)) from None
    target = ObjCClass(receiver) if isinstance(receiver, str) else receiver
    answer = send_message(
        target,
        selector,
        *(at(each) for each in arguments),
        restype=objc_id if answers else None,
        argtypes=[objc_id] * len(arguments),
    )
    return ObjCInstance(answer) if answers and answer else None
