"""No secret escapes (promise P5): one in every place that may hold one, every command and every way
to fail, and then every byte that was written or said is searched.

Commands are taken from the program's own table, so that one that is added later is searched too.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
import pytest

from dotagent.cli.main import COMMANDS, root
from dotagent.plugins.find import PREFIX
from tests.e2e.home import Home
from tests.plugins.scripts import bash
from tests.support import daemon as program
from tests.support.http_server import Answer, Fault, StrictServer
from tests.support.patience import until
from tests.support.serving import serving

PLACES = (
    "store",
    "op",
    "url-path",
    "url-user",
    "env-extra",
    "environment",
    "plugin-config",
    "plugin-named",
    "plugin-env",
    "global-token",
    "broken-file",
    "payload",
)
CANARY = {name: f"canary{number}Q7xk9{number}zzR4" for number, name in enumerate(PLACES, 10)}
"""One for each place: what is found says where it came from."""

KNOWN = [value for name, value in CANARY.items() if name not in ("broken-file", "payload")]
"""What a holder can know of. Nobody knows what stands in a file that is refused."""
SHOUT = "; ".join(f"echo {text}; echo {text} >&2" for text in KNOWN)
"""What an agent or a plugin does that wants to give all of them away."""
RESULT = 'echo "summary=$API $EXTRA_TOKEN" > "$AGENT_RESULT"'
ONCE = '[[schedules]]\nid = "s"\nevery = "1h"\nrun_at_start = true\nmax_attempts = 2\n'
ONCE += 'retry_backoff = ["100ms"]\n'
ENV = f"""
[env]
from_secrets = ["API", "VAULTED"]
extra = {{ EXTRA_TOKEN = "{CANARY["env-extra"]}" }}
"""
APART = {"install", "demo"}
"""One keeps the environment, in a file of its own, the other has a home of its own: called for help
only."""
SLOW = ("run-now", "tick")


def channels(url: str) -> str:
    """A notifier of every shape in which a secret may stand, all of which fail."""
    host = url.removeprefix("http://")
    return f"""
[[notifiers]]
driver = "slack"
webhook_url = "{url}/services/T01234567/B01234567/{CANARY["url-path"]}"
[[notifiers]]
driver = "ntfy"
topic = "ops"
base_url = "http://me:{CANARY["url-user"]}@{host}"
token = "${{API}}"
[[notifiers]]
driver = "plugin"
name = "traitor"
[notifiers.config]
api_token = "{CANARY["plugin-named"]}"
list = ["${{API}}", "${{FROM_SHELL}}"]
[[on_failure]]
plugin = "traitor"
config = {{ password = "{CANARY["plugin-config"]}" }}
[[on_success]]
plugin = "traitor"
config = {{ password = "{CANARY["plugin-config"]}" }}
"""


def commands(plugin: Path) -> Iterator[list[str]]:
    """Every command and subcommand of the program, with names for what it asks for and, where that
    is a plugin, this one."""
    context = click.Context(root)
    filled = {"payload": json.dumps({"config": {"token": CANARY["payload"]}}), "id": "1"}
    filled["path"] = str(plugin)
    for name in COMMANDS:
        command = root.get_command(context, name)
        assert command is not None
        if name in APART:
            yield [name, "--help"]
        elif isinstance(command, click.Group):
            yield [name]
            for sub in command.list_commands(context):
                found = command.get_command(context, sub)
                assert found is not None
                yield from _calls([name, sub], found, filled)
        else:
            yield from _calls([name], command, filled)


def _calls(
    words: list[str], command: click.Command, filled: Mapping[str, str]
) -> Iterator[list[str]]:
    """With an agent where it takes a name, and once more as JSON where it can."""
    wants = [each for each in command.params if isinstance(each, click.Argument) and each.required]
    has_json = any("--json" in each.opts for each in command.params)
    names = [filled.get(each.name or "", "ill") for each in wants]
    if words == ["plugin", "invoke"]:
        names[0] = Path(filled["path"]).name.removeprefix(PREFIX)
    yield [*words, *names]
    if has_json:
        yield [*words, *names, "--json"]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home full of secrets, with agents and plugins that give them away."""
    home = Home(
        tmp_path / "home",
        OWN_API_KEY=CANARY["environment"],
        FROM_SHELL=CANARY["plugin-env"],
        PATH=f"{tmp_path}/bin:{os.environ['PATH']}",
        TMPDIR=str(tmp_path / "tmp"),
    )
    (tmp_path / "tmp").mkdir()
    (tmp_path / "bin").mkdir()
    op = tmp_path / "bin" / "op"
    op.write_text(f"#!/bin/sh\ncase $3 in *bad*) echo {CANARY['op']} >&2; exit 1;; esac\n")
    op.write_text(op.read_text() + f"printf %s {CANARY['op']}\n")
    op.chmod(0o700)
    home.secrets(API=CANARY["store"], VAULTED="op://vault/item/good", NEVER="op://vault/item/bad")
    answer = f'echo "{{\\"ok\\":false,\\"error\\":\\"$(echo {" ".join(KNOWN)})\\"}}"'
    bash(home.path / "plugins", f"{SHOUT} >&2\n{answer}", "traitor")
    return home


def arrange(home: Home, url: str) -> None:
    """Agents that succeed, fail, are blocked, time out, cannot start, and are not right."""
    home.config(
        f'[[notifiers]]\ndriver = "slack"\nwebhook_url = "{url}/services/T0/B0/'
        f'{CANARY["global-token"]}"\n'
    )
    tables = ONCE + ENV + channels(url)
    home.agent("well", tables, f"{SHOUT}; {RESULT}")
    home.agent("ill", tables, f"{SHOUT}; {RESULT}; exit 3")
    blocked = '[[preflight]]\nplugin = "traitor"\nconfig = { token = "${API}" }\n'
    home.agent("blocked", tables + blocked, "true")
    home.agent("lost", tables.replace('"VAULTED"', '"NEVER"'), "true")
    home.agent("unproved", tables + '[expect]\noutput_match = "never"\n', SHOUT)
    manifest = home.agent("bad", tables, "true")
    manifest.write_text(manifest.read_text() + f'\n[run]\nx = "{CANARY["broken-file"]}"\n')


def found_in(text: bytes) -> list[str]:
    """The places whose secret is there."""
    return [name for name, value in CANARY.items() if value.encode() in text]


def written(home: Home) -> Iterator[tuple[str, bytes]]:
    """Every file below the home and the temporary folder, but for what the user wrote there, what
    tests installed, the private last good copies, and an agent's report in its own folder."""
    for path in home.path.parent.rglob("*"):
        inside = path.relative_to(home.path.parent).parts
        users = inside[:2] in (("home", "agents"), ("home", "plugins")) or inside[0] == "bin"
        copies = inside[:3] in (("home", "state", "manifests"), ("home", "state", "config.toml"))
        own = inside in (("home", "secrets.env"), ("home", "config.toml"))
        own = own or (inside[0] == "tmp" and inside[2:] == ("result",))
        if path.is_file() and not path.is_fifo() and not (users or copies or own):
            yield str(path), path.read_bytes()


@pytest.mark.timeout(180)
def test_no_secret_escapes(home: Home) -> None:
    """Not into the store, a log, the record, a heartbeat, a message of another channel, a page, an
    error or a traceback: not even those that an agent or a plugin prints itself."""
    leaks: list[str] = []

    def look(what: str, said: subprocess.CompletedProcess[str]) -> None:
        for stream in (said.stdout, said.stderr):
            known = (
                {"store", "environment", "payload"} if what.startswith("plugin") else set(PLACES)
            )
            places = set(found_in(stream.encode())) & known
            leaks.extend(f"{what}: {place}" for place in places)
        assert "Traceback" not in said.stderr, what

    with serving(StrictServer()) as server:
        server.script(Fault.ECHO, Fault.ECHO, Fault.RESET, Fault.CUT, Fault.ECHO, Fault.GARBAGE)
        server.script(Answer(status=400), Fault.ECHO, Answer(status=404), Fault.ECHO)
        arrange(home, server.url)
        with program.daemon(home.path, env=home.env) as running:
            ended = "SELECT id FROM attempts WHERE ended_at IS NOT NULL"
            until(lambda: len(home.rows(ended)) >= 9, what="all to have run", seconds=50)
            tried = "SELECT 1 FROM sends WHERE outcome IS NOT NULL"
            until(lambda: len(home.rows(tried)) >= 12, what="messages to be tried", seconds=50)
            # Together, those first that wait half a minute for messages that nobody takes.
            traitor = home.path / "plugins" / f"{PREFIX}traitor"
            calls = sorted(commands(traitor), key=lambda words: words[0] not in SLOW)
            with ThreadPoolExecutor(8) as several:
                for words, said in several.map(lambda words: (words, home.run(*words)), calls):
                    look(" ".join(words), said)
            running.stop()
            leaks += [f"the daemon's words: {place}" for place in found_in(running.said().encode())]
        # Another process meets a file that is refused: it must not be quoted when that is told, and
        # whoever has got hold of what it holds, or held, cannot give it away either.
        home.secrets(**{"API": CANARY["store"], "wrapped pem/line": CANARY["broken-file"]})
        reader = home.agent("reader", ONCE, 'cat "$HOME/secrets.env"; exit 3').parent
        look("run-now reader", home.run("run-now", "reader"))
        assert "[redacted]" in home.run("logs", "reader").stdout
        shutil.rmtree(reader)
        for name in ("ill", "well", "blocked", "lost", "unproved"):
            (home.path / "agents" / name / "agent.toml").unlink()
        for words in (["tick"], ["status"], ["inbox"], ["doctor"], ["audit", "verify"]):
            look(" ".join(words), home.run(*words))
        sent = [each.body + each.target.encode() for each in server.requests]
    for name, data in written(home):
        leaks += [f"{name}: {place}" for place in found_in(data)]
    for body in sent:
        foreign = set(found_in(body)) - {"url-path", "global-token"}
        leaks += [f"a message: {place}" for place in foreign]
    with sqlite3.connect(home.path / "state" / "dotagent.db") as db:
        dump = "\n".join(db.iterdump())
    db.close()
    leaks += [f"the store: {place}" for place in found_in(dump.encode())]

    assert "" == "\n".join(sorted(set(leaks)))
    assert "[redacted]" in dump
