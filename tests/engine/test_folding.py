"""Several events as one message, through the whole engine: manifest, routing, claim, text, send."""

from __future__ import annotations

from pathlib import Path

from tests.engine.line import ONCE, line, running, write_agent

ONE_TRY = ONCE + "max_attempts = 1\n"


def notifier(id: str, more: str = "") -> str:
    return f'\n[[notifiers]]\nid = "{id}"\ndriver = "ntfy"\ntopic = "{id}"\n{more}'


async def test_one_message_an_attempt(tmp_path: Path) -> None:
    """A notifier with ``collapse`` gets one message where its neighbour gets two; both have a
    delivery for each event, and a key of their own."""
    write_agent(
        tmp_path,
        "a",
        ONE_TRY + notifier("few", "collapse = true\n") + notifier("all"),
        script="echo no space left >&2; exit 1",
    )
    sent = "SELECT 1 FROM deliveries WHERE state = 'sent'"
    async with line(tmp_path) as made, running(made):
        await made.until(lambda: len(made.values(sent)) == 4)
    got = sorted(
        (str(parcel.settings["topic"]), parcel.message.line, parcel.message.tail)
        for parcel in made.post.parcels
    )

    assert ["all", "all", "few"] == [topic for topic, _, _ in got]
    assert got[2][1].startswith("a/s: gave up the ")
    assert "no space left" == got[2][2]
    assert 3 == len({parcel.message.key for parcel in made.post.parcels})


async def test_a_folded_message_ignores_the_template(tmp_path: Path) -> None:
    """A template is about one event: several are told in the built-in words, or the others would be
    lost in it."""
    rules = 'collapse = true\ntemplate = "{{ kind }}!"\n'
    write_agent(tmp_path, "a", ONE_TRY + notifier("few", rules), script="exit 1")
    write_agent(tmp_path, "b", ONE_TRY + notifier("few", rules), script="exit 0")
    sent = "SELECT 1 FROM deliveries WHERE state = 'sent'"
    async with line(tmp_path) as made, running(made):
        await made.until(lambda: len(made.values(sent)) == 3)
    lines = sorted(parcel.message.line for parcel in made.post.parcels)

    assert "success!" == lines[1]
    assert lines[0].startswith("a/s: gave up the ")


async def test_what_a_notifier_asks_for_reaches_the_routing(tmp_path: Path) -> None:
    """Quiet hours, limit and collapse stand in the routing; plugins and webhooks never fold."""
    write_agent(
        tmp_path,
        "a",
        ONCE
        + notifier(
            "n",
            'rate_limit_minutes = 30\ncollapse = true\nquiet_hours = { from = "22:00", '
            'to = "07:00", events = ["success"] }\n',
        )
        + '\n[[notifiers]]\nid = "w"\ndriver = "webhook"\nurl = "https://example.org/x"\n'
        + '\n[[notifiers]]\nid = "p"\ndriver = "plugin"\nname = "notify-x"\n',
    )
    (tmp_path / "config.toml").write_text("[storm]\nwaiting = 3\n", encoding="utf-8")
    async with line(tmp_path) as made, running(made):
        await made.until(lambda: made.values("SELECT 1 FROM routing"))
        storm = made.parts.actor.storm
    rows = made.rows("SELECT * FROM routing ORDER BY position")

    assert 3 == storm
    assert [1, 0, 0] == [row["folds"] for row in rows]
    assert (30 * 60_000, 1) == (rows[0]["rate_limit_ms"], rows[0]["collapse"])
    assert (
        '{"from_minute": 1320, "to_minute": 420, "events": ["success"]}' == (rows[0]["quiet_hours"])
    )
