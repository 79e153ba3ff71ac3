"""Secrets are loaded from a file that is the user's alone, or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dotagent.system.paths import Paths
from dotagent.system.secrets import MAX_BYTES, MAX_SUSPECTS, Secrets, load
from tests.support.system import require_root
from tests.system import stage


def secrets_file(path: Path, content: str = "TOKEN=hunter2\n") -> Path:
    """A secrets file as it should be."""
    path.write_text(content)
    path.chmod(0o600)
    return path


def home(folder: Path) -> Paths:
    """A home in ``folder``."""
    folder.chmod(0o700)
    return Paths(str(folder))


def test_the_home_s_file_is_loaded(tmp_path: Path) -> None:
    """Without being told otherwise, secrets are in the home."""
    path = secrets_file(tmp_path / "secrets.env")

    assert Secrets(
        path=str(path), source="default", present=True, values={"TOKEN": "hunter2"}
    ) == load(home(tmp_path), "", {})


def test_no_file_is_no_problem(tmp_path: Path) -> None:
    """Secrets are optional."""
    path = str(tmp_path / "secrets.env")

    assert Secrets(path=path, source="default") == load(home(tmp_path), "", {})


def test_config_wins_over_the_environment_over_the_home(tmp_path: Path) -> None:
    """Each may name a file of its own, and the record says who did."""
    paths = home(tmp_path)
    for name in ("config", "variable", "secrets.env"):
        secrets_file(tmp_path / name, f"FROM={name}\n")
    config, env = str(tmp_path / "config"), {"DOTAGENT_SECRETS_FILE": str(tmp_path / "variable")}

    assert [("config.toml", "config"), ("DOTAGENT_SECRETS_FILE", "variable")] == [
        (loaded.source, loaded.values["FROM"])
        for loaded in (load(paths, config, env), load(paths, "", env))
    ]


@pytest.mark.parametrize("named", ["secrets.env", "./x", "/a\0b"])
def test_a_path_that_is_not_absolute_is_passed_over(tmp_path: Path, named: str) -> None:
    """It would depend on where one stands; the next in line is used, and that is said."""
    secrets_file(tmp_path / "secrets.env")
    loaded = load(home(tmp_path), named, {"DOTAGENT_SECRETS_FILE": named})

    assert {"TOKEN": "hunter2"} == loaded.values
    assert (
        "the secrets file that config.toml names is ignored: it is no absolute path",
        "the secrets file that DOTAGENT_SECRETS_FILE names is ignored: it is no absolute path",
    ) == loaded.warnings


def test_a_named_file_that_is_not_there_is_worth_a_word(tmp_path: Path) -> None:
    """Somebody meant it to be there."""
    path = str(tmp_path / "elsewhere")
    loaded = load(home(tmp_path), path, {})

    assert (None, False) == (loaded.problem, loaded.present)
    assert (f"{path}, named by config.toml, does not exist",) == loaded.warnings


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o610, 0o601, 0o602, 0o620, 0o777])
def test_a_file_that_others_can_open_is_refused(tmp_path: Path, mode: int) -> None:
    """Any permission of anybody else, with the command that takes it away."""
    path = secrets_file(tmp_path / "secrets.env")
    path.chmod(mode)
    loaded = load(home(tmp_path), "", {})

    assert f"{path} has mode {mode:o}: others can open it" == loaded.problem
    assert f"chmod 600 {path}" == loaded.hint
    assert ({}, True) == (loaded.values, loaded.present)


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_any_mode_that_is_ours_alone_will_do(tmp_path: Path, mode: int) -> None:
    """It need not be 0600 to the letter."""
    secrets_file(tmp_path / "secrets.env").chmod(mode)

    assert {"TOKEN": "hunter2"} == load(home(tmp_path), "", {}).values


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_a_link_is_judged_by_what_it_leads_to(tmp_path: Path, mode: int) -> None:
    """The file that is read is the file that is checked."""
    target = secrets_file(tmp_path / "target")
    target.chmod(mode)
    (tmp_path / "secrets.env").symlink_to(target)

    assert (mode == 0o600) == bool(load(home(tmp_path), "", {}).values)


def test_somebody_else_s_file_is_refused() -> None:
    """Even where it can be read by nobody but us, its owner can change it: here, give it away."""
    require_root("to give a file away")
    with stage.public_folder() as folder:
        path = secrets_file(folder / "secrets.env")
        os.chown(path, 12345, 12345)
        problem = stage.play_without_privileges("foreign_secrets", str(folder))

        assert f"{path} cannot be opened: Permission denied" == problem
        assert (
            f"{path} belongs to 12345, neither to you nor to root"
            == load(Paths(str(folder)), "", {}).problem
        )


@pytest.mark.parametrize("what", ["folder", "pipe", "huge", "in a file"])
def test_what_is_no_secrets_file_is_refused(tmp_path: Path, what: str) -> None:
    """A folder, a pipe that would never end, a file beyond reason: told, and nobody waits."""
    path = tmp_path / "secrets.env"
    named = ""
    match what:
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case "huge":
            secrets_file(path, "#" * (MAX_BYTES + 1))
        case _:
            named = str(secrets_file(path) / "deeper")
    problem = load(home(tmp_path), named, {}).problem

    assert problem is not None
    assert {
        "folder": "is not a regular file",
        "pipe": "is not a regular file",
        "huge": "is larger than 1024 KiB",
        "in a file": "cannot be opened: Not a directory",
    }[what] in problem


def test_a_bad_line_is_told_without_what_stands_in_it(tmp_path: Path) -> None:
    """Line and reason, no more: not the name, not the value, not the good lines either."""
    secrets_file(tmp_path / "secrets.env", "GOOD=one\nhunter2/base64+tail=\n")
    loaded = load(home(tmp_path), "", {})

    assert f"line 2 of {tmp_path}/secrets.env has no valid name before its '='" == loaded.problem
    assert {} == loaded.values
    assert not any(word in repr(loaded) for word in ("hunter2", "GOOD", "base64"))


def test_what_is_remarkable_is_told_without_names(tmp_path: Path) -> None:
    """Repeated names are told by their line, and nothing shows in the record."""
    secrets_file(tmp_path / "secrets.env", "A=1\nA=op://v/i/f\nB=op://v/i/g\nC=3\n")
    loaded = load(home(tmp_path), "", {})

    assert {"C": "3"} == loaded.values
    assert {"A": "op://v/i/f", "B": "op://v/i/g"} == loaded.references
    assert (
        f"line 2 of {tmp_path}/secrets.env gives a name another value; the last one holds",
    ) == loaded.warnings
    assert "op://v" not in repr(loaded)


def test_a_folder_that_others_can_write_is_worth_a_word(tmp_path: Path) -> None:
    """They could put another of the user's files in the place of this one."""
    secrets_file(tmp_path / "secrets.env")
    tmp_path.chmod(0o777)
    loaded = load(Paths(str(tmp_path)), "", {})

    assert (f"{tmp_path} can be written by everybody; chmod go-w {tmp_path}",) == loaded.warnings
    assert {"TOKEN": "hunter2"} == loaded.values


@pytest.mark.parametrize(
    ("content", "mode"),
    [
        ("TOKEN=hunter2\n", 0o644),
        ("TOKEN=hunter2\nno name\n", 0o600),
        ("TOKEN=hunter2\n" + "# x\n" * (MAX_BYTES // 4), 0o600),
    ],
)
def test_what_is_refused_is_masked_and_not_used(tmp_path: Path, content: str, mode: int) -> None:
    """Whoever has it from elsewhere may still say it; and not all that somebody has is in it."""
    secrets_file(tmp_path / "secrets.env", content).chmod(mode)
    loaded = load(home(tmp_path), "", {})

    assert ({}, True) == (loaded.values, "hunter2" in loaded.masked)
    assert "withheld: secrets.env is refused, so what it holds cannot be masked" == loaded.withheld
    assert "hunter2" not in repr(loaded)


def test_masks_are_bounded(tmp_path: Path) -> None:
    """Every text is searched for each of them."""
    secrets_file(tmp_path / "secrets.env", "x" * 9 + "\n" + "A=1\n" * MAX_SUSPECTS)

    assert MAX_SUSPECTS == len(load(home(tmp_path), "", {}).masked)


def test_what_is_in_force_withholds_nothing(tmp_path: Path) -> None:
    """All of it is known."""
    secrets_file(tmp_path / "secrets.env")
    loaded = load(home(tmp_path), "", {})

    assert (("hunter2",), "") == (loaded.masked, loaded.withheld)
