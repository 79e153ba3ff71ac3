"""Where a home is and what lies in it."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from dotagent.core.errors import UsageError
from dotagent.system.paths import Paths, home
from tests.system import stage

SLOW = ("asyncio", "click", "collections", "contextlib", "dataclasses", "enum", "json", "pathlib")
SLOWER = ("re", "sqlite3", "typing", "zoneinfo")


def test_the_named_home_is_taken_as_it_is() -> None:
    """DOTAGENT_HOME wins over everything and is not tidied up."""
    env = {"DOTAGENT_HOME": "/srv/../srv/agents", "HOME": "/home/anna"}

    assert "/srv/../srv/agents" == home(env)


def test_a_relative_home_counts_from_the_current_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative DOTAGENT_HOME is allowed, and made absolute once and for all."""
    monkeypatch.chdir(tmp_path)

    assert f"{tmp_path}/here" == home({"DOTAGENT_HOME": "here"})


@pytest.mark.parametrize("named", [{}, {"DOTAGENT_HOME": ""}])
def test_the_default_home_lies_in_the_user_s_own(named: dict[str, str]) -> None:
    """Without DOTAGENT_HOME, or with an empty one, it is ~/.config/dotagent; XDG is not asked."""
    env = {"HOME": "/home/anna", "XDG_CONFIG_HOME": "/elsewhere", **named}

    assert "/home/anna/.config/dotagent" == home(env)


@pytest.mark.parametrize("env", [{}, {"HOME": ""}])
def test_without_home_the_password_database_is_asked(env: dict[str, str]) -> None:
    """The user's entry says where ~ is."""
    ours = pwd.getpwuid(os.getuid()).pw_dir

    assert f"{ours}/.config/dotagent" == home(env)


def test_a_user_without_a_home_gets_one_in_the_current_directory() -> None:
    """With neither HOME nor an entry, the home is ./.dotagent."""
    assert ".dotagent" == stage.play_as(54321, "home_of_unknown_user")


def test_a_home_in_a_deleted_directory_is_refused(tmp_path: Path) -> None:
    """A relative home whose starting point is gone is said so, not guessed."""
    message = stage.play("home_from_deleted_folder", str(tmp_path / "gone"))

    assert "counts from the current directory, which no longer exists" in message


def test_the_files_lie_where_other_tools_look_for_them() -> None:
    """The layout is that of dotagent 0.1.x, with our own files beside it."""
    paths = Paths("/h")

    assert {
        "agents": "/h/agents",
        "config": "/h/config.toml",
        "secrets": "/h/secrets.env",
        "legacy_audit": "/h/audit.log",
        "audit": "/h/state/audit.jsonl",
        "bell": "/h/state/bell",
        "database": "/h/state/dotagent.db",
        "environment": "/h/state/environment",
        "good_config": "/h/state/config.toml",
        "lock": "/h/state/lock",
        "reserve": "/h/state/reserve",
        "requests": "/h/state/requests",
        "daemon_log": "/h/logs/daemon/dotagent.log",
        "service_log": "/h/logs/daemon/launchd.log",
    }.items() <= {name: getattr(paths, name) for name in Paths.__slots__}.items()


def test_the_files_of_an_agent_bear_its_name() -> None:
    """Heartbeat, log and good copy are found from the agent's name alone."""
    paths = Paths("/h")

    assert [
        "/h/state/agents/disk/daily.heartbeat.json",
        "/h/logs/agents/disk",
        "/h/logs/agents/disk/disk.log",
        "/h/state/manifests/disk.toml",
    ] == [
        paths.heartbeat("disk", "daily"),
        paths.agent_log_dir("disk"),
        paths.agent_log("disk"),
        paths.good_manifest("disk"),
    ]


@pytest.mark.parametrize("name", ["", ".", "..", "../../x", "a/b", "/etc/passwd", "a\0b"])
def test_no_name_leads_out_of_its_folder(name: str) -> None:
    """Whoever asks for the files of ``../../x`` gets a refusal, not a path."""
    paths = Paths("/h")

    for ask in (paths.agent_log, paths.good_manifest, lambda it: paths.heartbeat("a", it)):
        with pytest.raises(UsageError, match="cannot be the name of a file"):
            ask(name)


def test_the_hot_commands_pay_for_nothing_but_what_they_use() -> None:
    """``paths`` and ``lock`` load none of the slow modules: ``status`` must start in a blink."""
    program = (
        "import sys; before = set(sys.modules)\n"
        "import dotagent.system.paths, dotagent.system.lock\n"
        "print(*set(sys.modules) - before)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    loaded = set(done.stdout.split())

    assert set() == loaded & {*SLOW, *SLOWER}
    assert "dotagent.system.lock" in loaded
