"""Plugins in the whole line: every kind, in several languages, and every way to misbehave."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.home import Home
from tests.plugins.scripts import bash
from tests.support.daemon import daemon
from tests.support.house import ROOT
from tests.support.http_server import StrictServer
from tests.support.patience import until
from tests.support.serving import serving
from tests.support.system import require

EXAMPLES = ROOT / "examples" / "plugins"
LANGUAGES = ("bash", "python", "c")
KINDS = ("preflight", "on_success", "on_failure", "notifiers")
ONCE = '[[schedules]]\nid = "s"\nevery = "1h"\nrun_at_start = true\nmax_attempts = 1\n'


def hook(place: str, plugin: str, config: str, more: str = "") -> str:
    """A manifest's table for a plugin in that place."""
    if place == "notifiers":
        head = f'[[notifiers]]\ndriver = "plugin"\nname = "{plugin}"\nevents = ["success"]\n'
    else:
        head = f'[[{place}]]\nplugin = "{plugin}"\n'
    return f"{head}{more}config = {config}\n"


def alive_below(folder: Path) -> list[str]:
    """The command lines of processes whose program or arguments lie below ``folder``."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if f"{folder}/plugins/" in line:
                found.append(line)
    return found


# ------------------------------------------------------------------------------- three languages


@pytest.fixture(scope="module")
def written(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, list[dict[str, object]]]]:
    """Each example plugin, used in every place; what each wrote into its notebook."""
    require("cc")
    folder = tmp_path_factory.mktemp("languages")
    home = Home(folder)
    plugins = folder / "plugins"
    plugins.mkdir()
    for name in ("bash", "python"):
        shutil.copy(EXAMPLES / f"dotagent-plugin-notebook-{name}", plugins)
    program = plugins / "dotagent-plugin-notebook-c"
    subprocess.run(["cc", "-o", program, EXAMPLES / "notebook.c"], check=True)
    for language in LANGUAGES:
        tables = ""
        for place in KINDS:
            config = f'{{ path = "{folder}/{language}.{place}", n = 1 }}'
            tables += hook(place, f"notebook-{language}", config)
        home.agent(f"{language}-well", ONCE + tables, 'echo "Füllstand 91 %"')
        home.agent(f"{language}-ill", ONCE + tables, 'echo "no disk" >&2; exit 3')
        stop = folder / "stop"
        stop.touch()
        config = f'{{ path = "{folder}/{language}.stopped", stop = "{stop}" }}'
        blocked = hook("preflight", f"notebook-{language}", config)
        home.agent(f"{language}-blocked", ONCE + blocked, f"touch {folder}/ran")
    with daemon(home.path, env=home.env):
        until(lambda: len(home.rows("SELECT id FROM attempts")) == 9, what="nine runs", seconds=50)
        until(home.settled, what="all to be told", seconds=50)
    yield {
        path.name: [json.loads(line) for line in path.read_text().splitlines()]
        for path in folder.iterdir()
        if path.suffix[1:] in KINDS
    }
    assert not (folder / "ran").exists()
    words = home.values("SELECT words FROM attempts WHERE agent LIKE '%-blocked'")
    assert 3 == len(words)
    assert all("there is a stop file" in each for each in words)
    assert [] == alive_below(folder)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("place", KINDS)
def test_the_same_plugin_in_three_languages(
    written: dict[str, list[dict[str, object]]], language: str, place: str
) -> None:
    """Each kind gets the payload of contract §10, to the letter and in order, and ours after it."""
    got = written[f"{language}.{place}"]
    said = got[-1] if place != "on_failure" else got[0]

    assert ["kind", "agent", "schedule", "event", "message", "config"] == list(said)[:6]
    event, kind, message = {
        "preflight": ("preflight", "preflight", None),
        "on_success": ("success", "sink", "Füllstand 91 %"),
        "on_failure": ("attempt_failed", "notify", f"{language}-ill exited 3\nno disk"),
        "notifiers": ("success", "notify", "Füllstand 91 %"),
    }[place]
    assert (event, kind, message) == (said["event"], said["kind"], said["message"])
    assert {"attempt", "attempt_id", "log_path"} <= said.keys()
    assert (place == "preflight") != ("delivery" in said)
    assert ("output_path" in said) == (place == "on_success")
    config = said["config"]
    assert isinstance(config, dict)
    assert ["n", "path"] == list(config)


# ------------------------------------------------------------------------------------- misbehaving

INFO = (
    """case $1 in info) echo '{"name":"x"}'; exit;; validate) echo '{"ok":true}'; exit;; esac\n"""
)
BAD = {
    "hangs": "sleep 600",
    "floods": "head -c 50000000 /dev/zero | tr '\\0' x; head -c 9000000 /dev/zero >&2",
    "deaf": "echo '{\"ok\":true}'",
    "garbage": "echo what",
    "refuses": 'echo \'{"ok":false,"error":"not on Sundays","suggest":"wait"}\'; exit 4',
    "forks": "cat >/dev/null; (sleep 600 & sleep 600) & echo '{\"ok\":true}'",
}
WORDS = {
    "hangs": "did not finish within 1 s",
    "floods": "not JSON",
    "garbage": "its answer is not JSON: what",
    "refuses": "not on Sundays (exit 4)",
}


@pytest.fixture(scope="module")
def misused(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """Each bad plugin in each place, with a megabyte to say where there is a message."""
    folder = tmp_path_factory.mktemp("misused")
    home = Home(folder)
    for name, body in BAD.items():
        bash(folder / "plugins", INFO + body, name)
        for place in ("preflight", "on_success", "on_failure"):
            more = "timeout_seconds = 1\n" if name == "hangs" else ""
            table = hook(place, name, f'{{ place = "{place}" }}', more)
            script = "yes 'a long line of output' | head -n 3000"
            if place == "on_failure":
                script = "yes 'a long line of output' | head -n 3000 >&2; exit 1"
            home.agent(f"{name}-{place}", ONCE + table, script)
    with daemon(home.path, env=home.env):
        tried = (
            "SELECT DISTINCT e.agent FROM sends s JOIN deliveries d ON d.id = s.delivery_id"
            " JOIN events e ON e.seq = d.event_seq WHERE s.outcome IS NOT NULL"
        )
        ended = "SELECT id FROM attempts WHERE ended_at IS NOT NULL"
        until(lambda: len(home.rows(ended)) == 3 * len(BAD), what="all runs", seconds=50)
        until(lambda: len(home.rows(tried)) == 2 * len(BAD), what="each plugin once", seconds=50)
        survivors = until(lambda: [alive_below(folder)], what="a look")[0]
        assert [] == [line for line in survivors if "sleep 600" in line]
    yield home
    assert [] == alive_below(folder)


@pytest.mark.parametrize("name", BAD)
def test_a_bad_preflight(misused: Home, name: str) -> None:
    """Whatever it does is an outcome: blocked with the reason, or let through where it said so."""
    [row] = misused.rows("SELECT verdict, words FROM attempts WHERE agent = ?", f"{name}-preflight")

    if name in WORDS:
        assert "failed" == row["verdict"]
        assert WORDS[name] in row["words"]
    else:
        assert "succeeded" == row["verdict"]


@pytest.mark.parametrize("place", ["on_success", "on_failure"])
@pytest.mark.parametrize("name", BAD)
def test_a_bad_sink_and_a_bad_notifier(misused: Home, name: str, place: str) -> None:
    """A sink that may have done its work is not asked again, a message may be; a clean no is tried
    again, and each try stands in the ledger with its reason."""
    row = misused.rows(
        "SELECT s.outcome, s.why FROM sends s JOIN deliveries d ON d.id = s.delivery_id"
        " JOIN events e ON e.seq = d.event_seq WHERE e.agent = ? ORDER BY d.id, s.number",
        f"{name}-{place}",
    )[0]
    doubtful = "reject_message" if place == "on_success" else "unknown"

    expected = {"hangs": doubtful, "floods": doubtful, "garbage": doubtful, "refuses": "retry"}
    assert expected.get(name, "sent") == row["outcome"]
    assert WORDS.get(name, "") in (row["why"] or "")


def test_each_call_is_in_the_record(misused: Home) -> None:
    """By the plugin's bare name, with its kind, and whether it did what it was asked."""
    lines = (misused.path / "state" / "audit.jsonl").read_text().splitlines()
    events = [json.loads(line)["event"] for line in lines]
    calls = {
        (each["plugin"], each["plugin_kind"]): each["ok"]
        for each in reversed(events)
        if each["event_type"] == "plugin_invoked"
    }

    kinds = ("preflight", "sink", "notify")
    good = {"deaf", "forks"}
    assert {(name, kind): name in good for name in BAD for kind in kinds} == calls


# ----------------------------------------------------------------------------------- around a call


def test_a_sink_sees_all_of_the_output_and_the_temporary_folder(tmp_path: Path) -> None:
    """Both are there until the last sink is done, however long that takes; then nothing is left."""
    home = Home(tmp_path, TMPDIR=str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    go = tmp_path / "go"
    text = f"""case $1 in invoke) ;; *) exit 1;; esac
    said=$(cat)
    field() {{ printf '%s' "$said" | grep -o "\\"$1\\":\\"[^\\"]*\\"" | cut -d '"' -f 4; }}
    test -e {go} || {{ echo '{{"ok":false,"error":"not yet"}}'; exit; }}
    cp "$(field output_path)" {tmp_path}/whole
    cp "$(field tmpdir)/left" {tmp_path}/left
    echo '{{"ok":true}}'"""
    bash(tmp_path / "plugins", text, "late")
    script = 'seq 1 2000; echo made > "$AGENT_TMPDIR/left"'
    home.agent("disk", ONCE + '[[on_success]]\nplugin = "late"\n', script)
    with daemon(home.path, env=home.env):
        until(lambda: home.values("SELECT 1 FROM sends WHERE outcome = 'retry'"), what="a refusal")
        go.touch()
        until((tmp_path / "left").exists, what="the sink", seconds=40)
        until(lambda: not os.listdir(tmp_path / "tmp"), what="the folder to go")

    assert "made\n" == (tmp_path / "left").read_text()
    assert [str(n) for n in range(1, 2001)] == (tmp_path / "whole").read_text().split()


def test_what_is_not_allowed_is_not_run(tmp_path: Path) -> None:
    """[security] keeps a plugin, a command and a variable back, and says so."""
    home = Home(tmp_path, SECRET_OF_OTHERS="x", WANTED="w")
    bash(tmp_path / "plugins", f"env > {tmp_path}/sink; echo '{{\"ok\":true}}'", "good")
    bash(tmp_path / "plugins", f"touch {tmp_path}/bad; echo '{{\"ok\":true}}'", "bad")
    security = '[security]\nallowed_plugins = ["good"]\nenv_passthrough = ["WANTED"]\n'
    hooks = '[[on_success]]\nplugin = "good"\n[[on_success]]\nplugin = "bad"\n'
    home.agent("held", security + hooks, f"env > {tmp_path}/agent")
    home.agent("shell", '[security]\nallowed_commands = ["/bin/true"]\n', f"touch {tmp_path}/shell")
    held = home.run("run-now", "held")
    shell = home.run("run-now", "shell")

    assert (0, 126) == (held.returncode, shell.returncode)
    assert "allowed_commands does not name" in shell.stdout
    assert not (tmp_path / "shell").exists()
    assert not (tmp_path / "bad").exists()
    whys = home.values("SELECT reason FROM deliveries WHERE state = 'rejected'")
    assert ['[security] allowed_plugins does not name "bad"; it allows "good"'] == whys
    for name in ("agent", "sink"):
        seen = (tmp_path / name).read_text()
        assert "WANTED=w" in seen
        assert "SECRET_OF_OTHERS" not in seen


def test_what_says_it_is_for_another_machine_is_used_all_the_same(tmp_path: Path) -> None:
    """dotagent 0.1.x never asked, so such plugins are in use and work: in every place it is used,
    and who made it, who looks after the home and who lists the plugins learn of it."""
    text = f"""case $1 in
      info) echo '{{"name":"mac","platforms":["plan9"]}}';;
      *) cat > {tmp_path}/payload-$$; echo '{{"ok":true}}';;
    esac"""
    path = bash(tmp_path / "plugins", text, "mac")
    home = Home(tmp_path)
    home.agent("well", "".join(hook(place, "mac", "{}") for place in KINDS))
    home.agent("ill", hook("on_failure", "mac", "{}"), "exit 1")
    codes = [home.run("run-now", name).returncode for name in ("well", "ill")]
    said = [json.loads(path.read_text()) for path in tmp_path.glob("payload-*")]
    looks = [home.run(*args) for args in (("doctor",), ("plugin", "check", str(path)))]
    listed = json.loads(home.run("plugin", "list", "--json").stdout)["plugins"]

    assert [0, 1] == codes
    used = [each for each in said if each.get("agent") in ("well", "ill")]
    assert ["notify", "notify", "preflight", "sink"] == sorted(each["kind"] for each in used)
    assert [] == home.values(
        "SELECT id FROM deliveries WHERE state != 'sent' AND driver != 'inbox'"
    )
    for look in looks:
        assert 1 == look.returncode
        assert "it is made for plan9, and this is linux" in " ".join(look.stdout.split())
    assert ["plan9"] == next(each["platforms"] for each in listed if each["name"] == "mac")


def test_a_hook_of_old_goes_through_the_built_in_driver(tmp_path: Path) -> None:
    """notify-ntfy without a binary is the driver, with the same configuration; with one, the binary
    goes first. The manifest's reader says what to write instead."""
    with serving(StrictServer()) as server:
        home = Home(tmp_path)
        config = f'{{ topic = "ops", base_url = "{server.url}" }}'
        home.agent("disk", hook("on_failure", "notify-ntfy", config), "exit 1")
        first = home.run("run-now", "disk")
        bash(tmp_path / "plugins", f"touch {tmp_path}/own; echo '{{\"ok\":true}}'", "notify-ntfy")
        home.run("run-now", "disk")
        doctor = home.run("doctor")

        assert ["/ops"] == [each.target for each in server.accepted]
    assert 1 == first.returncode
    assert (tmp_path / "own").exists()
    assert 'driver = "ntfy"' in doctor.stdout
