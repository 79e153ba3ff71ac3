"""The dead-man ping over the real daemon, against a server of the test."""

from __future__ import annotations

from pathlib import Path

from tests.support.daemon import daemon, run
from tests.support.http_server import Answer, StrictServer
from tests.support.patience import until
from tests.support.serving import serving


def test_heard_and_not_heard(tmp_path: Path) -> None:
    """A GET of exactly that address as the daemon starts; one that is refused shows in ``status``
    and in ``doctor``, never with the address, and ends nothing."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    with serving(StrictServer()) as server:
        (home / "config.toml").write_text(f'[deadman]\nurl = "{server.url}/key-1"\n')
        with daemon(home):
            until(lambda: server.requests, what="the first ping")
        fine = run(home, "status").stdout
        server.script(Answer(status=500))
        with daemon(home) as running:
            until(lambda: "not heard" in run(home, "status").stdout, what="the failed ping")
            shown = run(home, "status").stdout
            checked = run(home, "doctor").stdout
            assert running.process.poll() is None

    assert [("GET", "/key-1")] * 2 == [(each.method, each.target) for each in server.requests]
    assert "dead-man" not in fine
    assert "dead-man ping" in shown
    assert "answered with status 500" in shown
    assert "the last ping was not heard" in checked
    assert "key-1" not in shown + checked
