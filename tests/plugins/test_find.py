"""Which folders are searched for a plugin, and which files there are refused."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from pathlib import Path

import pytest

from dotagent.plugins.find import OWN_DIR, Found, Missing, find, search_dirs
from tests.plugins.scripts import bash, write
from tests.support.system import require_private_group, require_root


def stranger(path: str) -> int:
    """Make ``path`` somebody else's in the eyes of the returned uid, as root or not."""
    if os.geteuid() == 0:
        os.chown(path, 12_345, -1)
        return 0
    return os.geteuid() + 1


def refusals(found: Found | Missing) -> list[tuple[str, str]]:
    return [(each.path, each.why) for each in found.refused]


def test_order_of_folders() -> None:
    """The named folders come first, then the home's, the user's, the machine's, then PATH,
    and at last where the plugins lie that come with dotagent."""
    env = {"DOTAGENT_PLUGIN_PATH": "/a::/b", "PATH": "/usr/bin:/bin"}

    assert search_dirs(env, "/home/u", "/srv/dot") == (
        "/a",
        "/b",
        "/srv/dot/plugins",
        "/home/u/.config/dotagent/plugins",
        "/usr/local/lib/dotagent/plugins",
        "/usr/bin",
        "/bin",
        OWN_DIR,
    )


def test_each_folder_once() -> None:
    """In the default home two entries are one folder; it is looked in once, at its first place."""
    env = {"PATH": "/bin:/a:/bin/", "DOTAGENT_PLUGIN_PATH": "/a"}

    assert search_dirs(env, "/home/u", "/home/u/.config/dotagent") == (
        "/a",
        "/home/u/.config/dotagent/plugins",
        "/usr/local/lib/dotagent/plugins",
        "/bin",
        OWN_DIR,
    )


def test_no_home_and_no_environment() -> None:
    """Without a user's home and without variables the rest is still searched."""
    dirs = search_dirs({}, "", "/srv/dot")

    assert dirs == ("/srv/dot/plugins", "/usr/local/lib/dotagent/plugins", OWN_DIR)


def test_path_elements_that_depend_on_the_current_folder_are_left_out() -> None:
    """Empty and relative elements of PATH never make the daemon's folder a place for plugins."""
    dirs = search_dirs({"PATH": ":bin:.:/bin:"}, "", "/h")

    assert dirs == ("/h/plugins", "/usr/local/lib/dotagent/plugins", "/bin", OWN_DIR)


def test_the_first_folder_wins(tmp_path: Path) -> None:
    """The same name in two folders: the earlier one, by its full path."""
    first = bash(tmp_path / "one", "true")
    bash(tmp_path / "two", "true")

    found = find("demo", [str(tmp_path / "none"), str(tmp_path / "one"), str(tmp_path / "two")])

    assert found == Found(path=first)


def test_a_relative_folder_gives_a_full_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative folder counts from the current one, and the answer is absolute all the same."""
    path = bash(tmp_path / "here", "true")
    monkeypatch.chdir(tmp_path)

    assert find("demo", ["here"]) == Found(path=path)


def test_a_link_to_a_program_is_fine(tmp_path: Path) -> None:
    """Package managers link plugins into place; the path is the link's."""
    target = bash(tmp_path / "real", "true")
    (tmp_path / "links").mkdir()
    link = tmp_path / "links" / "dotagent-plugin-demo"
    link.symlink_to(target)

    assert find("demo", [str(tmp_path / "links")]) == Found(path=str(link))


def test_missing_says_where_it_looked(tmp_path: Path) -> None:
    """A plugin that is nowhere is named with every folder that was searched."""
    dirs = [str(tmp_path / "a"), str(tmp_path / "b")]

    missing = find("warp", dirs)

    assert missing == Missing(short="warp", looked_in=tuple(dirs))
    assert missing.why == (
        f"plugin warp not found: there is no dotagent-plugin-warp in {dirs[0]}, {dirs[1]}"
    )


def test_missing_with_no_folder_at_all() -> None:
    """No folder to look in is said too."""
    missing = find("warp", [])

    assert isinstance(missing, Missing)
    assert missing.why.endswith("in no folder at all")


def test_what_is_not_executable_is_passed_over(tmp_path: Path) -> None:
    """A file that cannot be run does not hide the one that can; the reason stays visible."""
    dull = write(tmp_path / "one", "demo", "#!/bin/bash\n", mode=0o644)
    good = bash(tmp_path / "two", "true")

    found = find("demo", [str(tmp_path / "one"), str(tmp_path / "two")])

    assert isinstance(found, Found)
    assert (found.path, refusals(found)) == (
        good,
        [(str(dull), f"is not executable (chmod +x {dull})")],
    )


def test_only_refused_ones(tmp_path: Path) -> None:
    """Where nothing better comes, the sentence is the refusal and what mends it."""
    dull = write(tmp_path / "my plugins", "demo", "#!/bin/bash\n", mode=0o644)

    missing = find("demo", [str(dull.parent)])

    assert isinstance(missing, Missing)
    assert missing.why == (
        f"no dotagent-plugin-demo may be run: {dull} is not executable (chmod +x '{dull}')"
    )


def test_what_everybody_may_write_is_refused(tmp_path: Path) -> None:
    """A program that others may change is not ours to run."""
    path = write(tmp_path, "demo", "#!/bin/bash\n", mode=0o757)

    assert refusals(find("demo", [str(tmp_path)])) == [
        (str(path), f"may be written by others (chmod go-w {path})")
    ]


def test_what_a_shared_group_may_write_is_refused(tmp_path: Path) -> None:
    """A group that is not the owner's private one counts as others."""
    path = write(tmp_path, "demo", "#!/bin/bash\n", mode=0o775)
    shared = next(
        (g.gr_gid for g in grp.getgrall() if g.gr_name != pwd.getpwuid(os.geteuid()).pw_name), None
    )
    require_root("to give a file to another group")
    assert shared is not None
    os.chown(path, -1, shared)

    assert refusals(find("demo", [str(tmp_path)])) == [
        (str(path), f"may be written by others (chmod go-w {path})")
    ]


def test_what_an_unknown_group_may_write_is_refused(tmp_path: Path) -> None:
    """A group without a name is nobody's private one."""
    require_root("to give a file to another group")
    path = write(tmp_path, "demo", "#!/bin/bash\n", mode=0o775)
    os.chown(path, -1, 54_321)

    assert len(refusals(find("demo", [str(tmp_path)]))) == 1


def test_what_your_private_group_may_write_is_fine(tmp_path: Path) -> None:
    """With umask 0002 everything is writable by the user's own group, which is the user alone."""
    me = pwd.getpwuid(os.geteuid())
    require_private_group()
    path = write(tmp_path, "demo", "#!/bin/bash\n", mode=0o775)
    os.chown(path, -1, me.pw_gid)

    assert find("demo", [str(tmp_path)]) == Found(path=str(path))


def test_what_belongs_to_somebody_else_is_refused(tmp_path: Path) -> None:
    """Neither ours nor root's: passed over."""
    path = bash(tmp_path, "true")
    ((where, why),) = refusals(find("demo", [str(tmp_path)], uid=stranger(path)))

    assert where == path
    assert why.startswith("belongs to ")
    assert why.endswith(", neither to you nor to root")


def test_a_link_of_somebody_else_is_refused(tmp_path: Path) -> None:
    """A stranger's link may not choose which of our programs runs."""
    require_root("to give a link away")
    target = bash(tmp_path / "real", "true")
    (tmp_path / "links").mkdir()
    link = tmp_path / "links" / "dotagent-plugin-demo"
    link.symlink_to(target)
    os.chown(link, 12_345, -1, follow_symlinks=False)

    assert refusals(find("demo", [str(link.parent)], uid=0)) == [
        (str(link), "belongs to user 12345, neither to you nor to root")
    ]


def test_a_folder_that_anybody_may_write_is_refused(tmp_path: Path) -> None:
    """What lies there can be swapped between the check and the start; a sticky folder is fine."""
    path = bash(tmp_path / "open", "true")
    folder = Path(path).parent
    folder.chmod(0o777)
    open_to_all = find("demo", [str(folder)])
    folder.chmod(0o777 | stat.S_ISVTX)

    assert refusals(open_to_all) == [
        (path, f"lies in a folder that anybody may write to (chmod o-w {folder})")
    ]
    assert find("demo", [str(folder)]) == Found(path=path)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """A folder and a dangling link of that name are passed over with their reason."""
    (tmp_path / "a" / "dotagent-plugin-demo").mkdir(parents=True)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "dotagent-plugin-demo").symlink_to(tmp_path / "gone")
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "dotagent-plugin-demo").symlink_to("dotagent-plugin-demo")
    (tmp_path / "d").write_text("a file where a folder should be")

    missing = find("demo", [str(tmp_path / each) for each in "abcd"])

    assert [why for _, why in refusals(missing)] == [
        "is not a regular file",
        "is a link to a file that does not exist",
        "cannot be looked at: Too many levels of symbolic links",
    ]


@pytest.mark.parametrize(
    "name", ["", "a/b", "../demo", "/", "a\0b", "a\nb", "a\x1b[0m", "a\u202eb", "\ud800", "é" * 130]
)
def test_a_name_that_is_no_name_is_not_looked_for(name: str) -> None:
    """A short name stays inside its folder, can be printed, and fits a file name."""
    missing = find(name, ["/"])

    assert isinstance(missing, Missing)
    assert missing.looked_in == ()
    assert "is no plugin name: it " in missing.why
    assert missing.why.isprintable()


@pytest.mark.parametrize("name", ["notify-discord", "sink_roam", "a.b", "über", ".."])
def test_names_that_are_fine(tmp_path: Path, name: str) -> None:
    """Whatever is one printable file name is a plugin's name."""
    path = bash(tmp_path, "true", short=name)

    assert find(name, [str(tmp_path)]) == Found(path=path)
