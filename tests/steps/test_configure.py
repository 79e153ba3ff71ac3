"""What is wrong with config.toml or the secrets file is told once, to the global notifiers."""

from __future__ import annotations

import asyncio
from pathlib import Path

from dotagent import app
from dotagent.steps.configure import configure
from dotagent.steps.discover import SETTLE_MS
from dotagent.steps.secrecy import secret_values
from tests.engine.line import line, running

PHONE = '[[notifiers]]\nid = "phone"\ndriver = "ntfy"\ntopic = "t"\n'


async def test_refused_secrets_are_told_once(tmp_path: Path) -> None:
    """A secrets file that others may read is not used; people hear of it, and of no value in it."""
    (tmp_path / "config.toml").write_text(PHONE)
    secrets = tmp_path / "secrets.env"
    secrets.write_text("API_KEY=value-1\n")
    secrets.chmod(0o644)
    async with line(tmp_path) as made, running(made):
        await made.until(lambda: made.post.parcels)
        made.surroundings.files_changed()
        made.engine.poke()
        await made.until(lambda: made.surroundings.look_at is None)
        told = made.values("SELECT kind FROM events")

    (parcel,) = made.post.parcels
    assert ["secrets_refused"] == told
    assert parcel.message.line.startswith("the secrets file secrets.env is not used: ")
    assert "value-1" not in repr(parcel)


async def test_a_broken_configuration_is_told(tmp_path: Path) -> None:
    """The last good one stays in force, and its notifiers hear what is wrong."""
    config = tmp_path / "config.toml"
    config.write_text(PHONE)
    async with line(tmp_path) as made, running(made):
        await made.until(lambda: made.values("SELECT 1 FROM routing"))
        config.write_text(PHONE + "[summary]\nat = 25\n")
        made.surroundings.files_changed()
        made.engine.poke()
        await made.until(lambda: made.post.parcels)

    (parcel,) = made.post.parcels
    assert "config_invalid" == parcel.message.kind
    assert "summary.at" in parcel.message.tail


async def test_what_was_refused_once_stays_masked(tmp_path: Path) -> None:
    """While it is written anew the file may be empty for a moment: whoever has what stood there
    still cannot give it away."""
    secrets = tmp_path / "secrets.env"
    secrets.write_text("API_KEY=value-of-old\nno name\n")
    secrets.chmod(0o600)
    async with line(tmp_path) as made, running(made):
        await made.until(lambda: made.parts.withheld)
        while_refused = secret_values(made.parts)
        secrets.write_text("")
        made.surroundings.files_changed()
        made.engine.poke()
        await made.until(lambda: not made.parts.withheld)
        afterwards = secret_values(made.parts)

    assert "value-of-old" in while_refused
    assert "value-of-old" in afterwards


async def test_secrets_that_are_being_written(tmp_path: Path) -> None:
    """An editor empties the file and then writes it: a process that looks in between waits for what
    is to come."""
    secrets = tmp_path / "secrets.env"
    async with line(tmp_path) as made:
        secrets.touch(0o600)
        look = asyncio.create_task(configure(made.parts, app.drivers, {}))
        await asyncio.sleep(0)
        secrets.write_text("API_KEY=new\n")
        parts, _ = await look

    assert "new" == parts.lookup("API_KEY")


async def test_secrets_that_are_gone_for_good(tmp_path: Path) -> None:
    """A file that stays empty is believed a second later."""
    secrets = tmp_path / "secrets.env"
    secrets.write_text("API_KEY=old\n")
    secrets.chmod(0o600)
    async with line(tmp_path) as made, running(made):
        await made.until(lambda: made.parts.lookup("API_KEY"))
        secrets.write_text("")
        made.surroundings.files_changed()
        made.engine.poke()
        await made.until(lambda: not made.parts.lookup("API_KEY"))
        age_ms = made.parts.clock.now() - secrets.stat().st_mtime_ns // 1_000_000

    assert age_ms >= SETTLE_MS


async def test_what_is_refused_is_still_masked(tmp_path: Path) -> None:
    """Its values are used no more, but whoever was told of them may still say them."""
    (tmp_path / "config.toml").write_text(PHONE)
    secrets = tmp_path / "secrets.env"
    secrets.write_text("API_KEY=value-of-old\n")
    secrets.chmod(0o600)
    async with line(tmp_path) as made, running(made):
        await made.until(lambda: made.parts.lookup("API_KEY"))
        secrets.chmod(0o644)
        made.surroundings.files_changed()
        made.engine.poke()
        await made.until(lambda: made.post.parcels)
        left = made.parts.lookup("API_KEY")
        (parcel,) = made.post.parcels
        masked = (*parcel.secrets, *parcel.hidden())

    assert "secrets_refused" == parcel.message.kind
    assert left is None
    assert "value-of-old" in masked
