"""After an iMessage: the file by which tools made for dotagent 0.1.x see when it was (contract §4).

A mirror only, written once the send is settled: what may be sent is decided from the store, and a
file that cannot be written holds up nothing.
"""

from __future__ import annotations

import asyncio

from dotagent.core import ratefile
from dotagent.steps.parts import Parts
from dotagent.system import heartbeat

MIRRORED = "imessage"


async def mirror(parts: Parts, recipient: str) -> None:
    """Write when ``recipient`` was last sent something: now."""
    path = parts.paths.rate_file(ratefile.name(recipient))
    text = ratefile.text(recipient, parts.clock.now(), parts.actor.zone)
    await asyncio.to_thread(heartbeat.write, path, text)
