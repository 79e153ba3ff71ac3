"""``connect``: from a question to a message that arrived, on a terminal and without one."""

from __future__ import annotations

import re
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from dotagent.cli import channel
from tests.cli.scene import both_ways, held_by, rows
from tests.drivers.test_ntfy import NtfyServer
from tests.drivers.test_slack import SlackServer
from tests.support.daemon import run, start
from tests.support.http_server import Fault
from tests.support.patience import until
from tests.support.serving import serving
from tests.support.system import linux_only
from tests.support.terminal import Terminal

pytestmark = linux_only
MINE = (
    b"# mine \xe2\x9c\x93\r\n[daemon]\nmax_running = 3   # few\n\n[[notifiers]]\ndriver = 'inbox'"
)
ARRIVED = "Did it arrive? [Y/n]"


def files(home: Path) -> dict[str, bytes | None]:
    """The two files that ``connect`` writes."""
    paths = [home / "config.toml", home / "secrets.env"]
    return {path.name: path.read_bytes() if path.exists() else None for path in paths}


@pytest.fixture
def server() -> Iterator[NtfyServer]:
    """A strict ntfy."""
    with serving(NtfyServer()) as server:
        yield server


def test_a_conversation(home: Path, server: NtfyServer) -> None:
    """Where, which topic, which secret: asked in turn, what is wrong again; sent, arrived, and the
    next command. The secret is never shown, and stands in secrets.env alone."""
    (home / "config.toml").write_bytes(MINE)
    with Terminal(home, "connect") as terminal:
        terminal.answers(
            [
                ("Its number or name:", "nfty"),
                ("Did you mean ntfy?", "3"),
                ("topic (such as", "my alerts"),
                ("base_url", server.url),
                ("token", server.secret),
                ("topic (such as", "alerts"),
                (ARRIVED, "y"),
            ]
        )
        status = terminal.close()
    written = files(home)

    assert (0, 1) == (status, len(server.accepted))
    assert "Choose a topic nobody can guess" in terminal.said
    assert "topic: must be 1 to 64" in terminal.said
    assert terminal.said.endswith("Next: dotagent init\n")
    assert server.secret not in terminal.said
    assert (written["config.toml"] or b"").startswith(MINE)
    assert b'token = "${NTFY_TOKEN}"' in (written["config.toml"] or b"")
    assert server.secret.encode() not in (written["config.toml"] or b"")
    assert f'NTFY_TOKEN="{server.secret}"\n'.encode() == written["secrets.env"]
    assert 0o600 == stat.S_IMODE((home / "secrets.env").stat().st_mode)
    assert 0 == run(home, "doctor", "--strict").returncode


@both_ways
def test_without_a_terminal(home: Path, holder: str) -> None:
    """Every prompt has a flag: with a daemon, or with nobody there, what is written works at once
    and a second one gets a name of its own."""
    with serving(SlackServer()) as server, held_by(holder, home):
        address = server.settings()["webhook_url"]
        flags = ("connect", "--driver", "slack", "--set", f"webhook_url={address}")
        first, second = run(home, *flags), run(home, *flags)
    config = (home / "config.toml").read_text()

    assert [0, 0] == [first.returncode, second.returncode]
    assert "✓ slack: sent after" in first.stdout
    assert 2 == len(server.accepted)
    assert ['id = "slack"', 'id = "slack-2"'] == re.findall(r"id = .*", config)
    assert 2 == config.count('webhook_url = "${SLACK_WEBHOOK_URL}"')
    assert 1 == (home / "secrets.env").read_text().count("\n")
    assert address not in config + first.stdout + first.stderr


def test_what_does_not_arrive_is_taken_out_again(home: Path, server: NtfyServer) -> None:
    """The evidence of the ledger, what to check, and every byte as it was; unless it is kept."""
    (home / "config.toml").write_bytes(MINE)
    flags = ["connect", "--driver", "ntfy", "--set", "topic=alerts"]
    flags += ["--set", f"base_url={server.url}", "--set", "token=wrong-token"]
    before = files(home)
    done = run(home, *flags)
    after, status, health = files(home), run(home, "status"), run(home, "doctor")
    kept = run(home, *flags, "--keep")

    assert (1, before) == (done.returncode, after)
    assert "try 1: reject destination: ntfy answered 401" in " ".join(done.stdout.split())
    assert "A wrong token" in done.stdout
    assert done.stdout.endswith("Nothing was kept. Next: dotagent connect\n")
    assert "parked" not in status.stdout
    assert "accepts no messages" not in health.stdout
    assert 1 == kept.returncode
    assert "dotagent notify test --notifier ntfy" in kept.stdout
    assert before != files(home)


def test_a_failed_test_tells_no_other_channel(home: Path, server: NtfyServer) -> None:
    """Who sets up a second channel, and mistypes, does not wake who reads the first."""
    ntfy = ["connect", "--driver", "ntfy", "--set", f"base_url={server.url}", "--set"]
    first = run(home, *ntfy, "topic=phone")
    before = len(server.accepted)
    second = run(home, *ntfy, "topic=alerts", "--set", "token=wrong-token", "--keep")

    assert (0, 1, 1) == (first.returncode, second.returncode, before)
    assert "401" in second.stdout
    assert before == len(server.accepted)


def test_nothing_arrived_says_the_person(home: Path, server: NtfyServer) -> None:
    """The service took it, and the phone stayed still: the person decides what is kept."""
    flags = ("connect", "--driver", "ntfy", "--set", "topic=phone", "--set")
    with Terminal(home, *flags, f"base_url={server.url}") as terminal:
        terminal.answers(
            [("token", ""), (ARRIVED, "n"), ("Keep it all the same? [y/N]", "n")],
        )
        status = terminal.close()

    assert 1 == status
    assert "try 1: sent" in terminal.said
    assert {"config.toml": None, "secrets.env": None} == files(home)


@pytest.mark.parametrize("asked", ["Its number or name:", "topic (such as", "token"])
def test_nothing_is_half_written(home: Path, asked: str) -> None:
    """Ctrl-C at any question leaves both files as they were."""
    (home / "config.toml").write_bytes(MINE)
    before, status = files(home), 0
    with Terminal(home, "connect") as terminal:
        for question, text in (
            ("Its number or name:", "ntfy"),
            ("topic (such as", "t"),
            ("base_url", ""),
            ("token", ""),
        ):
            if question == asked:
                status = terminal.interrupt(question)
                break
            terminal.answer(question, text, "\n")

    assert (130, before) == (status, files(home))


def test_a_signal_while_it_is_sent(home: Path, server: NtfyServer) -> None:
    """What was written is taken back: nobody knows whether it works."""
    server.script(Fault.SILENT)
    flags = ("connect", "--driver", "ntfy", "--set", "topic=t", "--set", f"base_url={server.url}")
    with start(home, *flags) as process:
        until(lambda: bool(server.requests), what="the message to be under way")
        process.send_signal(signal.SIGINT)
        process.communicate()

    assert 130 == process.returncode
    assert {"config.toml": None, "secrets.env": None} == files(home)


def test_what_is_refused(home: Path) -> None:
    """A wrong file, a wrong driver, a wrong key, a taken name, a missing answer: exit 2, what to
    do, and nothing changed."""
    ntfy = ("connect", "--driver", "ntfy")
    config = home / "config.toml"
    config.write_text("[[notifiers]]\ndriver = 'ntfy'\n")
    wrong = run(home, *ntfy, "--set", "topic=t")
    config.write_text("notifiers = [{ driver = 'inbox', id = 'a' }]\n")
    inline = run(home, *ntfy, "--set", "topic=t")
    taken = run(home, *ntfy, "--set", "topic=t", "--id", "a")
    nowhere = run(home, "connect")
    no_driver = run(home, "connect", "--driver", "nfty")
    no_key = run(home, *ntfy, "--set", "topc=t")
    missing = run(home, *ntfy)
    url = "url=http://127.0.0.1:9/"
    table = run(home, "connect", "--driver", "webhook", "--set", url, "--set", "headers=A=b")
    (home / "secrets.env").write_text("A=b\n")
    (home / "secrets.env").chmod(0o644)
    loose = run(home, *ntfy, "--set", "topic=t")

    for done, word in (
        (wrong, "topic"),
        (inline, "Add it yourself"),
        (taken, "has a notifier"),
        (nowhere, "--driver NAME"),
        (no_driver, 'Did you mean "ntfy"?'),
        (no_key, "Did you mean topic?"),
        (missing, "--set topic=…"),
        (table, "--set 'headers={ Authorization = \"Bearer ${WEBHOOK_TOKEN}\" }'"),
        (loose, "chmod 600"),
    ):
        assert (2, True) == (done.returncode, word in done.stderr), done.stderr
    assert "notifiers = [{ driver = 'inbox', id = 'a' }]\n" == config.read_text()


def test_a_link_stays_a_link(home: Path, tmp_path: Path, server: NtfyServer) -> None:
    """A config.toml that lies among other dotfiles is written where it lies."""
    real = tmp_path / "dotfiles.toml"
    real.write_bytes(MINE)
    real.chmod(0o644)
    (home / "config.toml").symlink_to(real)
    done = run(home, "connect", "--driver", "ntfy", "--set", "topic=t", "--set",
               f"base_url={server.url}")  # fmt: skip

    assert 0 == done.returncode
    assert (home / "config.toml").is_symlink()
    assert real.read_bytes().startswith(MINE)
    assert 0o644 == stat.S_IMODE(real.stat().st_mode)


@pytest.mark.parametrize("width", [80, 40])
def test_the_menu(home: Path, width: int) -> None:
    """Every driver in its own words; a new one is offered by existing."""
    with Terminal(home, "connect", width=width) as terminal:
        terminal.interrupt("Its number or name:")

    # No golden file: it would have to be touched for every new driver.
    head, *lines = terminal.said.partition("Its number")[0].splitlines()
    wanted = (f"{number} {name} {text}" for number, (name, text) in enumerate(channel.menu(), 1))
    assert "Where do you read messages?" == head
    assert " ".join(wanted).split() == " ".join(lines).split()
    assert all(len(line) <= width for line in lines)


def test_the_first_five_minutes(home: Path) -> None:
    """From an empty home to a delivered message, and on to why: each command is the one that the
    output before it named; only the address is the newcomer's own."""
    with serving(NtfyServer()) as server:
        answers = {"topic": "phone", "base_url": server.url}
        said = run(home).stdout
        walked: list[tuple[str, ...]] = []
        while len(walked) < 9:
            command = named(said)
            walked.append(command)
            if command == ("connect",):
                flags = [f"--set={key}={text}" for key, text in answers.items()]
                command = (*command, "--driver", "ntfy", *flags)
            if command[-1] == "daemon":
                break
            done = run(home, *command)
            assert 0 == done.returncode, (command, done.stdout, done.stderr)
            said = done.stdout + done.stderr
        delivered = len(server.accepted)
        with held_by("daemon", home):
            last = named(run(home, "status").stdout)
            why = run(home, *last)

    assert [
        ("connect",),
        ("init",),
        ("run", "hello"),
        ("notify", "test", "hello"),
        ("install",),
        ("status",),
        ("daemon",),
    ] == walked
    assert 2 == delivered
    assert ("why", "hello") == last
    assert (0, True) == (why.returncode, "hello/daily" in why.stdout)
    assert [("sent",)] == rows(home, "SELECT DISTINCT state FROM deliveries")


def named(said: str) -> tuple[str, ...]:
    """The command that an output names last; of two in one line the first."""
    lines = [line for line in said.splitlines() if re.search(r"\bdotagent [a-z]", line)]
    match = re.search(r": dotagent ((?:[a-z-]+ ?)+)|Next: dotagent ((?:[a-z-]+ ?)+)", lines[-1])
    assert match is not None, said
    return tuple((match[1] or match[2]).split())
