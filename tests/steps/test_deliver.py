"""One delivery: the words it goes out in."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.line import ONCE, line, running, write_agent

NTFY = '[[notifiers]]\nid = "n"\ndriver = "ntfy"\ntopic = "t"\nevents = ["given_up"]\n'


@pytest.mark.parametrize(
    ("template", "expected", "reason"),
    [
        ("{{ agent }} broke: {{ words }}", "a broke: exit 3", ""),
        (
            "{{ attempt // 0 }}",
            "(the notifier's template failed)",
            "its template failed (ZeroDivisionError",
        ),
    ],
)
async def test_template(tmp_path: Path, template: str, expected: str, reason: str) -> None:
    """A notifier's messages go out in its words; where these fail in the built-in ones, and the
    record says so."""
    toml = f"max_attempts = 1\n{NTFY}template = '{template}'\n"
    write_agent(tmp_path, "a", ONCE + toml, script="exit 3")
    async with line(tmp_path) as made, running(made):
        await made.until(lambda: made.rows("SELECT 1 FROM deliveries WHERE state = 'sent'"))
        (row,) = made.rows("SELECT reason FROM deliveries WHERE state = 'sent'")

    (parcel,) = made.post.parcels
    assert parcel.message.line.endswith(expected)
    assert row["reason"].startswith(reason)


async def test_a_global_notifier_knows_the_agent_s_own_secrets(tmp_path: Path) -> None:
    """Its service may answer with one: what stands only in the agent's manifest is masked too."""
    (tmp_path / "config.toml").write_text(NTFY)
    own = '[env]\nextra = { API_TOKEN = "only-of-this-agent-1" }\n'
    write_agent(tmp_path, "a", f"{ONCE}max_attempts = 1\n{own}", script="exit 3")
    other = own.replace("this", "another")
    write_agent(tmp_path, "b", other)
    async with line(tmp_path) as made, running(made):
        await made.until(lambda: made.post.parcels)
        (parcel,) = made.post.parcels
        masked = (*parcel.secrets, *parcel.hidden())

    assert "only-of-this-agent-1" in masked
    assert "only-of-another-agent-1" not in masked
