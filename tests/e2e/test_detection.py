"""What somebody did to a home is found and told to the people of config.toml, over the real daemon.

All of it is done while nobody watches, so that one pass finds everything.
"""

from __future__ import annotations

from pathlib import Path

from tests.e2e.home import Home
from tests.support.http_server import StrictServer
from tests.support.patience import until
from tests.support.serving import serving

QUIET = '[[schedules]]\nid = "s"\ncron = "0 0 1 1 *"\n'
KINDS = (
    "manifest_drift_detected",
    "phantom_agent_detected",
    "manifest_invalid",
    "secrets_refused",
    "audit_chain_broken",
)


def told(server: StrictServer) -> list[str]:
    return [request.body.decode() for request in server.requests]


def settled(home: Home, holders: int) -> bool:
    """This many holders have come, and the last one has looked at everything and told it all."""
    if len(home.values("SELECT 1 FROM holders")) < holders:
        return False
    looked = "SELECT 1 FROM agents WHERE gone_at IS NULL"
    return bool(home.values(looked)) and home.settled()


def meddle(home: Home) -> None:
    """Change one manifest, add two, break a third, open the secrets, and write into the record."""
    with (home.path / "agents" / "edited" / "agent.toml").open("a") as file:
        file.write("# another line\n")
    home.agent("new-1", QUIET)
    home.agent("new-2", QUIET)
    home.agent("broken", "[[schedules]\n")
    (home.path / "secrets.env").chmod(0o644)
    with (home.path / "state" / "audit.jsonl").open("ab") as file:
        file.write(b'{"not": "ours"}\n')


def test_what_was_done_is_told(tmp_path: Path) -> None:
    """A first start is silent about what it finds; after that each kind of change is one message,
    which names what it is about; nothing is told again at the next start."""
    home = Home(tmp_path)
    home.agent("edited", QUIET)
    home.agent("broken", QUIET)
    home.secrets(KEY="value-1234")
    with serving(StrictServer()) as server:
        home.config(
            f'[[notifiers]]\nid = "ops"\ndriver = "ntfy"\ntopic = "t"\nbase_url = "{server.url}"\n'
        )
        with home.daemon():
            until(lambda: settled(home, 1), what="the first look")
        first = told(server)
        meddle(home)
        with home.daemon():
            until(lambda: {home.count(kind) for kind in KINDS} == {1}, what="all to be found")
            until(lambda: len(server.requests) >= len(KINDS), what="all to be told")
        second = told(server)
        with home.daemon():
            until(lambda: settled(home, 3), what="the third look")
        third = told(server)
    checked = " ".join(home.run("doctor").stdout.split())

    assert [] == first
    assert len(KINDS) == len(second)
    (drift,) = (text for text in second if "1 changed manifest: edited" in text)
    assert "was " in drift
    (phantoms,) = (text for text in second if "2 new manifests: new-1" in text)
    assert "new-2" in phantoms
    assert 1 == sum("broken/agent.toml is not right" in text for text in second)
    assert 1 == sum("the secrets file secrets.env is not used" in text for text in second)
    assert 1 == sum("the audit record was changed from outside" in text for text in second)
    assert second == third
    assert not any("value-1234" in text for text in third)
    assert "The manifest of edited has changed since it was adopted" in checked
