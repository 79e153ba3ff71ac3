"""``notify test``: through the whole line, by the daemon or alone; what it says and moves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dotagent.core.model import AGENT_EVENTS, Kind
from dotagent.core.sample import MARK
from tests.cli.scene import DAILY, both_ways, held_by, ntfy, rows
from tests.drivers.test_ntfy import NtfyServer
from tests.support.daemon import run, write_agent
from tests.support.http_server import Answer, StrictServer
from tests.support.serving import serving

GONE = Answer(status=404)
DOWN = Answer(status=503, headers=(("Retry-After", "3600"),))


def config(home: Path, *notifiers: str) -> None:
    """A config.toml of these notifiers."""
    (home / "config.toml").write_text("".join(notifiers))


def told(server: StrictServer) -> list[str]:
    """What arrived, as its first line."""
    return [each.body.decode().partition("\n")[0] for each in server.accepted]


@both_ways
def test_a_message_arrives(home: Path, holder: str) -> None:
    """Marked, in the ledger and in the record like any other; each channel with its own result,
    and exit 1 where one failed, whose driver says why."""
    with serving(NtfyServer()) as server, held_by(holder, home):
        config(home, ntfy(server.url, events='"given_up"'), ntfy(server.url, "alerts"))
        shown = run(home, "notify", "test")
        data = json.loads(run(home, "notify", "test", "--notifier", "phone", "--json").stdout)

    assert (1, 2) == (shown.returncode, len(server.accepted))
    assert "✓ phone (ntfy): sent after" in shown.stdout
    assert "✗ alerts (ntfy): did not arrive after" in shown.stdout
    assert "ntfy answered 403 Forbidden: forbidden (40301)" in " ".join(shown.stdout.split())
    assert "then: dotagent notify test\n" in shown.stdout
    assert all(each.startswith(f"{MARK} message of dotagent on host") for each in told(server))
    assert ["sent"] == [each["state"] for each in data["deliveries"]]
    assert "outcome" in (home / "state/audit.jsonl").read_text()
    sends = rows(home, "SELECT outcome FROM sends ORDER BY delivery_id")
    assert [("sent",), ("reject_destination",), ("sent",)] == sends


@both_ways
def test_a_parked_channel_comes_back(home: Path, holder: str) -> None:
    """What arrives puts it back to work, and what has waited for it goes out (rules R20)."""
    with serving(StrictServer()) as server:
        server.script(GONE, GONE)
        write_agent(home, "a", DAILY + ntfy(server.url), script="exit 1")
        with held_by(holder, home):
            run(home, "run-now", "a")
            bad = run(home, "notify", "test", "a")
            parked = rows(home, "SELECT parked_at IS NULL FROM destinations WHERE driver = 'ntfy'")
            good = run(home, "notify", "test", "a")
            server.wait_for(2)

    assert (1, [(0,)]) == (bad.returncode, parked)
    assert 0 == good.returncode
    assert [(None,)] == rows(home, "SELECT parked_at FROM destinations WHERE driver = 'ntfy'")
    assert "a/daily: manual run failed" in "".join(told(server))


@pytest.mark.parametrize("kind", [*AGENT_EVENTS, Kind.MANIFEST_INVALID])
def test_looks_like_an_event(home: Path, kind: Kind) -> None:
    """Of every kind, marked as a test, also where a template has its own words."""
    own = f'template = "only {{{{ title }}}}"\nevents = ["{kind}"]\n'
    with serving(StrictServer()) as server:
        config(home, ntfy(server.url), ntfy(server.url, "mine"), own)
        done = run(home, "notify", "test", "--event", kind)

    assert (0, "") == (done.returncode, done.stderr)
    assert 2 == len(server.accepted)
    assert all(each.startswith(f"{MARK}: ") for each in told(server))


def test_who_is_tried(home: Path) -> None:
    """The agent's own notifiers and those it inherits, no hooks; those that do not ask for the
    event are named and left out, unless they are chosen."""
    hook = '\n[[on_failure]]\nplugin = "notify-other"\n'
    with serving(StrictServer()) as server:
        config(home, ntfy(server.url, "all"))
        write_agent(home, "a", DAILY + ntfy(server.url, "own", '"given_up"') + hook)
        every = run(home, "notify", "test", "a")
        some = run(home, "notify", "test", "a", "--event", "success")
        one = run(home, "notify", "test", "a", "--event", "success", "--notifier", "own")
        nobody = run(home, "notify", "test", "a", "--event", "clock_changed")
        wrong = run(home, "notify", "test", "a", "--notifier", "owm")

    assert 0 == every.returncode
    assert ["✓ all", "✓ own"] == sorted(line[:5] for line in every.stdout.split("\n")[:2])
    assert "✓ all" in some.stdout
    assert "Not asked for success, so not tried: own" in some.stdout
    assert (0, "✓ own") == (one.returncode, one.stdout[:5])
    assert (2, 4) == (nobody.returncode, wrong.returncode)
    assert 'Did you mean "own"?' in wrong.stderr
    assert [("all",), ("own",)] == rows(home, "SELECT DISTINCT name FROM deliveries ORDER BY name")


def test_nothing_holds_a_test_and_it_counts_nowhere(home: Path) -> None:
    """Quiet hours, silences and rate limits do not hold it; it opens no outage, stamps no limit, is
    no dead letter and is announced to nobody."""
    held = 'rate_limit_minutes = 60\nquiet_hours = { from = "00:00", to = "23:59" }\n'
    with serving(StrictServer()) as server:
        config(home, ntfy(server.url, "other"))
        write_agent(home, "a", DAILY + ntfy(server.url) + held)
        run(home, "silence", "add", "a", "--for", "2h", "--reason", "x")
        event = ("notify", "test", "a", "--event", "given_up", "--notifier", "phone")
        done = [run(home, *event).returncode for _ in range(2)]
        server.script(GONE)
        lost = run(home, "notify", "test", "a", "--notifier", "phone").returncode
        dead = run(home, "deliveries", "--dead").stdout

    assert ([0, 0], 1, 2) == (done, lost, len(server.accepted))
    assert [] == rows(home, "SELECT * FROM said") + rows(home, "SELECT * FROM outages")
    assert "There are no such messages." in dead
    # Not even that the channel is parked, as long as no message waits for it.
    assert [("test",)] == rows(home, "SELECT DISTINCT kind FROM events ORDER BY kind")


def test_what_the_service_asked_for_is_kept(home: Path) -> None:
    """A Retry-After still runs: that is said at once, and nothing is sent."""
    with serving(StrictServer()) as server:
        server.script(DOWN)
        config(home, ntfy(server.url))
        first = run(home, "notify", "test")
        second = run(home, "notify", "test")

    assert (1, 1) == (first.returncode, second.returncode)
    assert "wants to hear nothing until" in " ".join(second.stdout.split())
    assert 1 == len(server.requests)


def test_without_a_channel(home: Path) -> None:
    """It names the next command; an agent that is not there is exit 4."""
    write_agent(home, "a", DAILY)
    done = run(home, "notify", "test")

    assert 2 == done.returncode
    assert "Set one up: dotagent connect" in done.stderr
    assert 4 == run(home, "notify", "test", "b").returncode


def test_a_configuration_that_is_not_right(home: Path) -> None:
    """Its channels are not known: that is what to mend, not to set up another."""
    (home / "config.toml").write_text("x = [")
    tried = run(home, "notify", "test")

    assert 2 == tried.returncode
    assert "config.toml is not right" in tried.stderr
    assert tried.stderr.endswith("See: dotagent doctor\n")
