"""The service manager: which one, what it is asked, and by what name dotagent is started."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from dotagent.core.unit import LABEL
from dotagent.system import service
from dotagent.system.service import Said, Systemd

HOME = {"HOME": "/home/ann"}


class Recorded:
    """A manager's programs as they answered once; what they were asked is kept."""

    def __init__(self, *failing: str, text: str = "") -> None:
        self.asked: list[str] = []
        self._failing = failing
        self._text = text

    def __call__(self, argv: Sequence[str]) -> Said:
        self.asked.append(" ".join(argv))
        return Said(ok=not any(word in argv for word in self._failing), text=self._text)


def test_each_system_has_its_manager() -> None:
    """systemd on Linux, launchd on macOS, none elsewhere; the files lie where 0.1.x put them."""
    found = [service.manager(HOME, platform) for platform in ("linux", "darwin", "freebsd14")]

    assert [
        f"/home/ann/.config/systemd/user/{LABEL}.service",
        f"/home/ann/Library/LaunchAgents/{LABEL}.plist",
        None,
    ] == [None if each is None else each.path for each in found]


def test_a_degraded_manager_answers_too() -> None:
    """``is-system-running`` fails where any unit has failed; its word says that it is there."""
    there, away = Recorded("is-system-running", text="degraded"), Recorded("is-system-running")

    assert [True, False] == [Systemd(HOME, ask).reachable() for ask in (there, away)]


def test_the_first_refusal_ends_the_asking() -> None:
    """What was refused is named with the manager's own words; nothing after it is tried."""
    ask = Recorded("enable", text="Access denied")
    said = Systemd(HOME, ask).ask(Systemd.starting)

    assert ["systemctl --user daemon-reload", f"systemctl --user enable {LABEL}.service"] == (
        ask.asked
    )
    assert (False, f"systemctl --user enable {LABEL}.service: Access denied") == (
        said.ok,
        said.text,
    )


def test_launchd_takes_the_place_of_what_is_loaded() -> None:
    """``bootstrap`` refuses a service that is loaded, so it is taken out first; untested on
    hardware: these are recordings of launchctl(1)."""
    ask = Recorded("bootout")
    mac = service.Launchd(HOME, ask)
    said = mac.ask(mac.starting)

    assert said.ok
    assert ["bootout", "bootstrap"] == [asked.split()[1] for asked in ask.asked]


def test_a_program_that_is_not_there_is_an_answer() -> None:
    """No systemctl at all: said, not raised."""
    said = service.run(("dotagent-has-no-such-program",))

    assert (False, True) == (said.ok, "dotagent-has-no-such-program" in said.text)
    assert Said(ok=False, text="no bus") == service.run(("sh", "-c", "echo no bus >&2; exit 1"))


def test_dotagent_is_started_by_the_name_that_lasts(tmp_path: Path) -> None:
    """The link on PATH outlives an upgrade, what it points to does not; without one, the very
    file; started as a module, the interpreter with ``-m``."""
    inner = tmp_path / "venvs" / "3.11" / "bin" / "dotagent"
    inner.parent.mkdir(parents=True)
    inner.touch(mode=0o755)
    outer = tmp_path / "bin" / "dotagent"
    outer.parent.mkdir()
    outer.symlink_to(inner)

    assert [(str(outer),), (str(outer),), (str(inner),), ("/py", "-m", "dotagent")] == [
        service.program(str(inner), "/py", str(outer.parent)),
        service.program(str(outer), "/py", str(outer.parent)),
        service.program(str(inner), "/py", "/nowhere"),
        service.program("/lib/dotagent/__main__.py", "/py", str(outer.parent)),
    ]


def test_lingering_is_a_file(tmp_path: Path) -> None:
    """loginctl(1): one file a user."""
    (tmp_path / "ann").touch()

    assert [True, False] == [service.lingers(user, str(tmp_path)) for user in ("ann", "bob")]


def test_a_manager_s_log_is_kept_short(tmp_path: Path) -> None:
    """One that has become long is emptied, and who appends to it goes on from its beginning."""
    log = tmp_path / "launchd.log"
    with log.open("ab", buffering=0) as manager:
        manager.write(b"x" * service.LOG_BYTES)
        service.shorten(str(log))
        full = log.stat().st_size
        manager.write(b"x")
        service.shorten(str(log))
        manager.write(b"next\n")

    assert (service.LOG_BYTES, b"next\n") == (full, log.read_bytes())


def test_what_is_no_log_is_left_alone(tmp_path: Path) -> None:
    """No file, a pipe that nobody reads, a link to what is somebody's: none is touched."""
    other = tmp_path / "other"
    other.write_bytes(b"x" * (service.LOG_BYTES + 1))
    (tmp_path / "link").symlink_to(other)
    os.mkfifo(tmp_path / "pipe")
    for name in ("none", "link", "pipe"):
        service.shorten(str(tmp_path / name))

    assert service.LOG_BYTES + 1 == other.stat().st_size
