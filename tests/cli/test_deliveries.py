"""``deliveries``: what waits, what died, and a person's say over both."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.cli.scene import DAILY, both_ways, held_by, ntfy, rows
from tests.support.daemon import run, write_agent
from tests.support.http_server import Answer, StrictServer
from tests.support.serving import serving

REFUSED = Answer(status=400, body=b"no such thing")
GONE = Answer(status=404)
AT_ONCE = '[[schedules]]\nid = "s"\nevery = "1h"\nrun_at_start = true\nmax_attempts = 1\n'
LATER = Answer(status=503, headers=(("Retry-After", "3600"),))


def listed(home: Path, *arguments: str) -> list[dict[str, Any]]:
    """What ``deliveries --json`` says."""
    found: list[dict[str, Any]] = json.loads(run(home, "deliveries", *arguments, "--json").stdout)
    return found


def dead_letter(home: Path, server: StrictServer) -> int:
    """Make an agent whose message is refused for good; the number of the message."""
    server.script(REFUSED, REFUSED)
    write_agent(home, "a", DAILY + ntfy(server.url), script="echo out; exit 1")
    run(home, "run-now", "a")
    (dead,) = listed(home, "--dead")
    number: int = dead["id"]
    return number


def test_nothing_has_happened_yet(home: Path) -> None:
    """A new home has no messages, and looking makes it no database."""
    shown = run(home, "deliveries")

    assert (0, "There are no messages yet.\n") == (shown.returncode, shown.stdout)
    assert [] == listed(home)
    assert [] == list(home.iterdir())


def test_dead_letter_is_listed_with_why(home: Path) -> None:
    """The list says whose message it was, what came of it and how to send it again."""
    with serving(StrictServer()) as server:
        number = dead_letter(home, server)
        shown = run(home, "deliveries")

    assert f"{number}  " in shown.stdout
    text = " ".join(shown.stdout.split())
    assert "a/daily phone (ntfy): attempt_failed rejected, 2 tries (" in text
    assert "400" in shown.stdout
    assert "dotagent deliveries retry --dead" in shown.stdout


def test_show_has_the_message_and_every_try(home: Path) -> None:
    """What happened, the text as people would have read it, and the ledger."""
    with serving(StrictServer()) as server:
        number = dead_letter(home, server)
        shown = run(home, "deliveries", "show", str(number))
        data = json.loads(run(home, "deliveries", "show", str(number), "--json").stdout)

    assert "a/daily: manual run failed, exit 1" in shown.stdout
    assert "\n  out\n" in shown.stdout
    assert 2 == shown.stdout.count("reject message")
    assert ["reject_message", "reject_message"] == [each["outcome"] for each in data["sends"]]
    assert "out" == data["message"]["tail"]


def test_show_of_several_in_one_message(home: Path) -> None:
    """Each of them shows the message that was sent, not the text it would have had alone."""
    with serving(StrictServer()) as server:
        toml = AT_ONCE + ntfy(server.url) + "collapse = true\n"
        write_agent(home, "a", toml, script="echo out; exit 1")
        run(home, "tick")
        first, second = (run(home, "deliveries", "show", number) for number in ("1", "2"))
        sent = server.accepted[0].body.decode()

    assert 1 == len(server.accepted)
    for shown in (first, second):
        assert sent.splitlines()[0] in " ".join(shown.stdout.split())


@pytest.mark.parametrize("scope", ["agent", "everybody"])
def test_show_in_the_words_of_a_template(home: Path, scope: str) -> None:
    """What its channel got, not what another would have; of another template since, that is said.
    A second channel keeps the built-in words, and a test says that it is one."""
    own = 'template = """\n{{ agent }} says: {{ words }}!\n{{ output }}"""\n'
    with serving(StrictServer()) as server:
        toml = ntfy(server.url) + own + ntfy(server.url, "other")
        if scope == "agent":
            write_agent(home, "a", DAILY + toml, script="echo out; exit 1")
        else:
            write_agent(home, "a", DAILY, script="echo out; exit 1")
            (home / "config.toml").write_text(toml)
        run(home, "run-now", "a")
        run(home, "notify", "test", *(["a"] if scope == "agent" else []), "--event", "given_up")
        sent = {each.target: each.body.decode() for each in server.accepted[:2]}
        marked = {each.target: each.body.decode() for each in server.accepted[2:]}
        ids = [f"{number}" for number in range(1, 5)]
        shown = [run(home, "deliveries", "show", number, "--json") for number in ids]
        page = run(home, "deliveries", "show", "1").stdout
        file = home / ("agents/a/agent.toml" if scope == "agent" else "config.toml")
        file.write_text(file.read_text().replace("says:", "tells:"))
        run(home, "run-now", "a")
        later = run(home, "deliveries", "show", "1").stdout
        for copy in ((home / "state").glob("manifests/*"), (home / "state").glob("config.toml*")):
            for each in copy:
                each.unlink()
        unreadable = run(home, "deliveries", "show", "1")

    assert (0, True) == (unreadable.returncode, "manual run failed" in unreadable.stdout)
    texts = [json.loads(each.stdout)["message"] for each in shown]
    bodies = [f"{text['line']}\n{text['tail']}".strip() for text in texts]
    assert [sent["/phone"], sent["/other"]] == bodies[:2]
    assert [marked["/phone"], marked["/other"]] == bodies[2:]
    assert "a says: exit 1" in page
    assert "has changed since" not in page
    assert "a tells: exit 1" in later
    assert "the words of its template as it is now; that has changed since." in later


def test_show_of_what_is_not_there(home: Path) -> None:
    """Exit 4."""
    shown = run(home, "deliveries", "show", "7")

    assert 4 == shown.returncode
    assert "there is no delivery 7" in shown.stderr


@both_ways
def test_retry_sends_a_dead_letter_again(home: Path, holder: str) -> None:
    """Through the daemon or alone: a new message, sent and shown; the dead one keeps its end."""
    with serving(StrictServer()) as server:
        number = dead_letter(home, server)
        with held_by(holder, home):
            again = run(home, "deliveries", "retry", str(number))
        nothing = run(home, "deliveries", "retry", "--dead")

    old, new = listed(home)
    assert 0 == again.returncode
    assert "attempt_failed sent after" in again.stdout
    assert 1 == len(server.accepted)
    assert ", sent again by hand)" in server.accepted[0].body.decode()
    assert ("rejected", "sent", number) == (old["state"], new["state"], new["resend_of"])
    assert (0, "There is nothing to send again.\n") == (nothing.returncode, nothing.stdout)
    assert "could not be delivered" not in run(home, "deliveries").stdout
    assert [] == listed(home, "--dead")


def test_retry_that_fails_says_so(home: Path) -> None:
    """Exit 1 where it did not arrive."""
    with serving(StrictServer()) as server:
        dead_letter(home, server)
        server.script(REFUSED, REFUSED)
        again = run(home, "deliveries", "retry", "--dead")

    assert 1 == again.returncode
    assert "rejected" in again.stdout


@both_ways
def test_retry_of_a_parked_channel(home: Path, holder: str) -> None:
    """A channel that refused everything is tried at once when a person says that it is mended."""
    with serving(StrictServer()) as server:
        server.script(GONE)
        write_agent(home, "a", DAILY + ntfy(server.url))
        first = run(home, "run-now", "a")
        with held_by(holder, home):
            again = run(home, "deliveries", "retry", "--parked")

    assert "waits for a channel that accepts no messages" in first.stdout
    assert (0, 1) == (again.returncode, len(server.accepted))
    assert [(None,)] == rows(home, "SELECT parked_at FROM destinations WHERE driver = 'ntfy'")


def test_what_has_ended_says_why_it_ended(home: Path) -> None:
    """Not what its channel has met: that is what the others wait for."""
    with serving(StrictServer()) as server:
        server.script(GONE)
        write_agent(home, "a", DAILY + ntfy(server.url))
        run(home, "run-now", "a")
        (waiting,) = listed(home, "--waiting")
        before = run(home, "deliveries", "list").stdout
        run(home, "deliveries", "cancel", str(waiting["id"]), "--reason", "old news")
        after = run(home, "deliveries", "list").stdout

    assert "old news" not in before
    assert "old news" in after


def test_retry_needs_to_know_what(home: Path) -> None:
    """Exit 2 without a number and without a choice."""
    assert 2 == run(home, "deliveries", "retry").returncode


@both_ways
def test_cancel_drops_what_waits(home: Path, holder: str) -> None:
    """With the reason in the record; what has ended cannot be cancelled."""
    with serving(StrictServer()) as server:
        server.script(LATER)
        write_agent(home, "a", DAILY + ntfy(server.url))
        run(home, "run-now", "a")
        (waiting,) = listed(home, "--waiting")
        number = str(waiting["id"])
        with held_by(holder, home):
            first = run(home, "deliveries", "cancel", number, "--reason", "old news")
            second = run(home, "deliveries", "cancel", number, "--reason", "old news")

    assert (0, 2) == (first.returncode, second.returncode)
    assert "phone (ntfy): success cancelled" in first.stdout
    assert "old news" in first.stdout
    assert "it can't be cancelled" in second.stderr
    assert [] == server.accepted
    record = (home / "state/audit.jsonl").read_text(encoding="utf-8").splitlines()
    (cancelled,) = [line for line in record if "delivery_cancelled" in line]
    event = json.loads(cancelled)["event"]
    assert ("a", "daily", int(number), "phone", "cancelled: old news") == (
        event["agent"],
        event["schedule"],
        event["delivery"],
        event["notifier"],
        event["reason"],
    )


def test_held_by_quiet_hours(home: Path) -> None:
    """What waits for the end of quiet hours is listed with the reason and until when."""
    hour = datetime.now(UTC).hour
    quiet = (
        f'quiet_hours = {{ from = "{(hour - 1) % 24:02}:00", to = "{(hour + 2) % 24:02}:00" }}\n'
    )
    with serving(StrictServer()) as server:
        write_agent(home, "a", DAILY + ntfy(server.url) + quiet)
        run(home, "run-now", "a")
        shown = run(home, "deliveries", "--held")
        (held,) = listed(home, "--held")

    assert "phone (ntfy): success waits until " in shown.stdout
    assert "(quiet hours)" in shown.stdout
    assert ("pending", "quiet hours") == (held["state"], held["reason"])
    assert [] == server.accepted


def test_limit_keeps_the_latest(home: Path) -> None:
    """The newest stand last, and the list says that there are more."""
    with serving(StrictServer()) as server:
        write_agent(home, "a", DAILY + ntfy(server.url) + ntfy(server.url, "tablet"))
        run(home, "run-now", "a")
        shown = run(home, "deliveries", "list", "-n", "1")

    assert "tablet (ntfy)" in shown.stdout
    assert "phone" not in shown.stdout
    assert "1 older not shown" in shown.stdout


def test_json_has_instants_as_everywhere(home: Path) -> None:
    """ISO 8601 with the offset, under the names that ``why --json`` and ``status --json`` use."""
    with serving(StrictServer()) as server:
        server.script(LATER)
        write_agent(home, "a", DAILY + ntfy(server.url))
        ran = json.loads(run(home, "run-now", "a", "--json").stdout)["deliveries"]
        (waiting,) = listed(home)
        shown = json.loads(run(home, "deliveries", "show", str(waiting["id"]), "--json").stdout)

    assert ran == [waiting]
    instants = [waiting[name] for name in ("created", "next_try", "expires")]
    instants += [shown["sends"][0][name] for name in ("started", "ended")]
    assert all(datetime.fromisoformat(each).utcoffset() is not None for each in instants)
    assert [None, None] == [waiting["ended"], waiting["held_until"]]
    assert not any(name.endswith("_at") for name in (*waiting, *shown["sends"][0]))
