"""E-mail by the real daemon, to a real SMTP server with STARTTLS and a login."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.home import Home
from tests.support import certificate
from tests.support.daemon import daemon
from tests.support.mail_server import MailServer
from tests.support.patience import until
from tests.support.serving import serving

ANA, BOB = "ana@example.org", "bob@example.org"
SECRET = "s3cr3t-0123456789abcdef"
MANIFEST = """
[[schedules]]
id = "daily"
daily = "04:00"

[[notifiers]]
driver = "email"
host = "127.0.0.1"
port = {port}
ca_file = "{ca_file}"
username = "alerts"
password = "${{SMTP_PASSWORD}}"
from = "dotagent <alerts@example.org>"
to = ["{ana}", "{bob}"]
events = ["attempt_failed"]
"""
PLAIN = """
[[schedules]]
id = "daily"
daily = "04:00"

[[notifiers]]
driver = "email"
host = "localhost"
security = "none"
from = "alerts@example.org"
to = "ana@example.org"
"""


def test_who_has_it_does_not_get_it_again(tmp_path: Path) -> None:
    """One of two is refused for now: the next try reaches that one only, as the same message, and
    no secret is stored on the way."""
    cert = certificate.make(tmp_path)
    server = MailServer(cert, secret=SECRET)
    server.says[BOB].append("450 4.2.1 greylisted")
    home = Home(tmp_path / "home")
    with serving(server):
        text = MANIFEST.format(port=server.port, ca_file=cert, ana=ANA, bob=BOB)
        home.agent("disk", text, "echo full >&2; exit 3")
        home.secrets(SMTP_PASSWORD=SECRET)
        with daemon(home.path, env=home.env):
            assert 3 == home.run("run-now", "disk").returncode
            until(home.settled, what="both to have it")
    tries = home.values("SELECT outcome FROM sends ORDER BY number")
    stored = b"".join(path.read_bytes() for path in (home.path / "state").glob("dotagent.db*"))

    assert [(ANA,), (BOB,)] == [mail.recipients for mail in server.mails]
    assert 1 == len({mail.message["Message-ID"] for mail in server.mails})
    assert "full" in server.mails[1].text
    assert ["retry", "sent"] == tries
    assert [1] == home.values("SELECT arrived != '' AND arrived NOT LIKE '%@%' FROM deliveries")
    assert SECRET.encode() not in stored


def test_doctor_warns_of_what_is_not_encrypted(tmp_path: Path) -> None:
    """No encryption is the person's to choose, and doctor's to say."""
    home = Home(tmp_path / "home")
    home.agent("disk", PLAIN)
    said = home.run("doctor")

    assert "cross the network unencrypted" in said.stdout + said.stderr
