"""``install`` writes what the service manager accepts, and looks whether agents will find what
they need; ``uninstall`` takes it away and nothing else."""

from __future__ import annotations

import os
import shlex
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

from dotagent.core.unit import LABEL
from tests.cli.scene import DAILY
from tests.support.daemon import READY, run, write_agent
from tests.support.system import linux_only, require

UNIT = f".config/systemd/user/{LABEL}.service"
pytestmark = linux_only


def test_the_unit_passes_the_verifier(tmp_path: Path) -> None:
    """systemd's own checker has nothing to say, also of a home with odd signs in its name."""
    require("systemd-analyze")
    home = tmp_path / "a b$c%h'\"ü"
    home.mkdir()
    done = run(home, "install", "--no-start")
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--user", "--man=no", str(home / UNIT)],
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )

    assert (0, "") == (done.returncode, done.stderr)
    assert (0, "") == (checked.returncode, checked.stderr)


def test_what_the_unit_starts_is_the_daemon_of_this_home(home: Path) -> None:
    """Its command, started with nothing but its environment, serves the very home."""
    run(home, "install", "--no-start")
    lines = (home / UNIT).read_text().splitlines()
    (command,) = [
        line.removeprefix("ExecStart=") for line in lines if line.startswith("ExecStart=")
    ]
    given = [shlex.split(line.split("=", 1)[1])[0] for line in lines if "Environment=" in line]
    env = {"HOME": str(home), **dict(each.split("=", 1) for each in given)}
    with subprocess.Popen(
        shlex.split(command), env=env, stdout=subprocess.PIPE, text=True
    ) as daemon:
        assert daemon.stdout is not None
        said = daemon.stdout.readline()
        daemon.terminate()

    assert said.startswith(READY)
    assert str(home) in said


def test_environment_is_captured_without_secrets(home: Path) -> None:
    """Agents get the shell's PATH; a token that the shell exports reaches no file, unless named."""
    shell = {"PATH": os.environ["PATH"] + ":/opt/mine", "TOKEN": "s3cr3t", "EDITOR": "vi"}
    done = run(home, "install", "--no-start", "--env", "EDITOR", env=shell)
    kept = home / "state" / "environment"
    entries = kept.read_bytes().decode().split("\0")
    write_agent(home, "a", DAILY, script='echo "$PATH|$EDITOR|$TOKEN"')
    ran = run(home, "run", "a")

    assert f"PATH={shell['PATH']}" in entries
    assert "s3cr3t" not in kept.read_text() + done.stdout + (home / UNIT).read_text()
    assert 0o600 == stat.S_IMODE(kept.stat().st_mode)
    assert f"{shell['PATH']}|vi|\n" == ran.stdout.splitlines(keepends=True)[0]


def test_a_variable_that_is_not_set_is_refused(home: Path) -> None:
    """Nothing is written for a name that the shell does not have."""
    done = run(home, "install", "--no-start", "--env", "NOT_THERE")

    assert 2 == done.returncode
    assert "your shell has no variable NOT_THERE" in done.stderr
    assert not (home / UNIT).exists()


def test_commands_are_rehearsed(home: Path) -> None:
    """A command that will not be found by night is said now, with its file and key."""
    write_agent(home, "good", DAILY)
    manifest = write_agent(home, "bad", DAILY) / "agent.toml"
    manifest.write_text(manifest.read_text().replace("./run.sh", "not-on-any-path"))
    done = run(home, "install", "--no-start")

    assert str(manifest) in done.stdout
    assert "run.command" in done.stdout
    assert "1 of 2 commands would not start" in done.stdout


def test_without_a_manager_the_commands_are_named(home: Path) -> None:
    """In a container, say: the file is there, and how to start it is said."""
    away = {"PATH": str(home / "no-systemctl")}
    done = run(home, "install", env=away)

    assert 0 == done.returncode
    assert "no service manager answers here" in done.stdout
    assert f"systemctl --user enable {LABEL}.service" in done.stdout
    assert done.stdout.endswith("dotagent status\n")


def test_a_manager_is_asked_to_start_it(home: Path) -> None:
    """Reload, enable, restart, in this order; ``--linger`` asks for lingering too."""
    asked = fake_manager(home)
    done = run(home, "install", "--linger", env={"PATH": f"{home}/bin:{os.environ['PATH']}"})

    assert 0 == done.returncode, done.stderr
    assert "started: your schedules run now" in done.stdout
    assert [
        "systemctl --user is-system-running",
        "systemctl --user daemon-reload",
        f"systemctl --user enable {LABEL}.service",
        f"systemctl --user restart {LABEL}.service",
    ] == asked()[:4]
    assert any(line.startswith("loginctl enable-linger") for line in asked())


def test_a_refused_start_is_an_error(home: Path) -> None:
    """The manager's own words, and where to look."""
    fake_manager(home, failing="restart")
    done = run(home, "install", env={"PATH": f"{home}/bin:{os.environ['PATH']}"})

    assert 1 == done.returncode
    assert "it could not be started" in done.stderr
    assert f"journalctl --user -u {LABEL}.service" in done.stderr


def test_uninstall_leaves_the_home(home: Path) -> None:
    """The file and the captured environment are gone, the agents are not; again: nothing to do."""
    asked = fake_manager(home)
    write_agent(home, "a", DAILY)
    path = {"PATH": f"{home}/bin:{os.environ['PATH']}"}
    run(home, "install", env=path)
    done, again = (run(home, "uninstall", env=path) for _ in range(2))

    assert [0, 0] == [done.returncode, again.returncode]
    assert f"removed {home / UNIT}" in done.stdout
    assert "nothing to remove" in again.stdout
    assert [False, False, True] == [
        (home / place).exists() for place in (UNIT, "state/environment", "agents/a/agent.toml")
    ]
    assert f"systemctl --user disable --now {LABEL}.service" in asked()


def fake_manager(home: Path, failing: str = "none") -> Callable[[], list[str]]:
    """Programs of systemd's names that note what they are asked; one verb may fail."""
    log = home / "asked"
    (home / "bin").mkdir()
    for name in ("systemctl", "loginctl"):
        program = home / "bin" / name
        program.write_text(
            f'#!/bin/sh\necho "{name} $*" >> {shlex.quote(str(log))}\n'
            f'case "$*" in *{failing}*) echo "refused" >&2; exit 1;; esac\necho running\n'
        )
        program.chmod(0o755)
    return lambda: log.read_text().splitlines()


def doctor(home: Path, **env: str) -> str:
    """All that the doctor says."""
    return run(home, "doctor", env=env).stdout


def test_doctor_looks_again(home: Path) -> None:
    """Right after it the file is as it should be; what may still stay silent is said once more."""
    run(home, "install", "--no-start")
    said = " ".join(doctor(home).split())

    assert str(home / UNIT) not in said
    assert "[deadman] url" in said
    assert "loginctl enable-linger" in said


def test_doctor_finds_what_has_changed(home: Path) -> None:
    """Another PATH, a lost program, a lost environment, another home: each with what mends it."""
    run(home, "install", "--no-start")
    unit = home / UNIT
    written = unit.read_text()
    said = {}
    unit.write_text(written.replace("WatchdogSec=300", "WatchdogSec=1"))
    said["changed"] = doctor(home)
    unit.write_text(written.replace("ExecStart=", 'ExecStart="/gone/dotagent" '))
    said["gone"] = doctor(home)
    unit.write_text(written.replace(str(home), "/another/home"))
    said["elsewhere"] = doctor(home)
    unit.write_text(written)
    (home / "state" / "environment").unlink()
    said["lost"] = doctor(home)

    assert [] == [name for name, text in said.items() if str(unit) not in " ".join(text.split())]
    assert "not what this dotagent would write now" in " ".join(said["changed"].split())
    assert "/gone/dotagent, which is not there any more" in " ".join(said["gone"].split())
    assert "the daemon of another home" in " ".join(said["elsewhere"].split())
    assert "was never captured, or is lost" in " ".join(said["lost"].split())
    assert "dotagent install" in said["changed"]
