"""The record: chained in the transaction of what it attests."""

from __future__ import annotations

import asyncio
import json

import pytest

from dotagent.core import chain
from dotagent.store import holders, record
from dotagent.store.database import Tx
from tests.store.builder import SEEN, Home


def lines(home: Home) -> list[bytes]:
    return [bytes(row["line"]) for row in home.rows("SELECT line FROM audit ORDER BY seq")]


async def test_append(home: Home) -> None:
    """A line has the time, the gravity, the event with its fields in their order, and the hash of
    the line before it (contract §13)."""
    await home.write(
        lambda tx: record.append(
            tx, home.actor, SEEN, "notice", "config_reloaded", reason="SIGHUP", more="ü"
        )
    )

    assert [
        b'{"ts":"2026-06-03T07:30:00+0000","severity":"notice","event":{"event_type":'
        b'"config_reloaded","reason":"SIGHUP","more":"\xc3\xbc"},"prev_hash":"GENESIS"}'
    ] == lines(home)


async def test_chain(home: Home) -> None:
    """However many come together, the chain holds, and its head is the last row's hash."""
    await asyncio.gather(
        *(
            home.write(
                lambda tx, n=n: record.append(  # type: ignore[misc]
                    tx, home.actor, SEEN + n, "info", "tick", number=n
                )
            )
            for n in range(100)
        )
    )
    verdict = chain.verify(lines(home), last=home.value("SELECT hash FROM audit WHERE seq = 100"))

    assert (100, None) == (verdict.count, verdict.broken_at)
    assert list(range(1, 101)) == [
        row["seq"] for row in home.rows("SELECT seq FROM audit ORDER BY seq")
    ]


async def test_rolled_back(home: Home) -> None:
    """What a failed transaction would have attested leaves no gap and no trace."""

    def fail(tx: Tx) -> None:
        record.append(tx, home.actor, SEEN, "info", "tick", number=1)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await home.write(fail)
    await home.write(lambda tx: record.append(tx, home.actor, SEEN, "info", "tick", number=2))

    assert [2] == [json.loads(line)["event"]["number"] for line in lines(home)]
    assert chain.verify(lines(home)).broken_at is None


async def test_anchor(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Where an older log is there, the first line follows its head."""
    home = await Home.open(str(tmp_path_factory.mktemp("home") / "dotagent.db"), begun=False)
    await home.write(
        lambda tx: holders.begin(
            tx, SEEN, role="daemon", pid=1, started_ticks=1, boot_id="b", anchor="abc"
        )
    )
    await home.write(lambda tx: record.append(tx, home.actor, SEEN, "info", "tick", number=1))
    found = lines(home)
    home.close()

    assert "abc" == json.loads(found[0])["prev_hash"]
    assert chain.verify(found, first="abc").broken_at is None


async def test_path_that_is_no_text(home: Home) -> None:
    """A path with bytes that are no text is attested all the same."""
    await home.write(
        lambda tx: record.append(tx, home.actor, SEEN, "info", "manifest_loaded", path="/a\udcff")
    )

    assert chain.verify(lines(home)).broken_at is None
