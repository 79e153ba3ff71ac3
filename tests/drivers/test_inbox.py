"""The inbox as a driver."""

from __future__ import annotations

from dotagent.core.model import Sent
from tests.drivers.harness import kit, parcel


async def test_arrives_at_once() -> None:
    """A delivery to the inbox needs no network and has arrived when it is made."""
    async with kit() as sender:
        assert Sent() == await sender.send(parcel("inbox", {}))
