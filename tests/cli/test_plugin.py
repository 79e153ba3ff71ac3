"""``dotagent plugin``: list, invoke and check, over real plugins."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.scene import on_terminal
from tests.plugins.scripts import bash, write
from tests.support.daemon import run, write_agent
from tests.support.house import ROOT

GOOD = """case $1 in
info) echo '{"name":"demo","version":"2","kinds":["notify"]}' ;;
validate) cat > /dev/null; echo '{"ok":true}' ;;
invoke) said=$(cat)
  case $said in
  '{'*) echo '{"ok":true,"room":5}' ;;
  *) echo '{"ok":false,"error":"no JSON"}' ;;
  esac ;;
*) exit 1 ;;
esac"""
EXAMPLES = ROOT / "examples" / "plugins"


def test_list_shows_the_used_and_the_installed(tmp_path: Path) -> None:
    """Full paths; what is missing or cannot say who it is stands there too, and who uses it."""
    path = bash(tmp_path / "plugins", GOOD)
    broken = bash(tmp_path / "plugins", "echo hello", "broken")
    write_agent(
        tmp_path, "disk", '[[on_failure]]\nplugin = "demo"\n[[preflight]]\nplugin = "gone"\n'
    )
    said = run(tmp_path, "plugin", "list")
    rows = {line.split("\t")[0]: line.split("\t")[1:] for line in said.stdout.splitlines()}

    assert 0 == said.returncode
    assert ["2", '"notify"', path] == rows["demo"]
    assert ["(info failed: its answer is not JSON: hello)", broken] == rows["broken"]
    assert rows["gone"][0].startswith("(not found: plugin gone not found")
    assert {"preflight-cmd", "preflight-warp", "sink-file"} <= set(rows)
    listed = json.loads(run(tmp_path, "plugin", "list", "--json").stdout)["plugins"]
    assert [("demo", ["disk"])] == [
        (each["name"], each["used_by"]) for each in listed if each["path"] == path
    ]


def test_list_names_what_to_do_next(tmp_path: Path) -> None:
    """On a terminal: a plugin that cannot say who it is gets checked, a missing one explained. A
    program gets the rows alone, as from dotagent 0.1.x."""
    broken = bash(tmp_path / "plugins", "echo hello", "broken")
    unsaid = run(tmp_path, "plugin", "list").stdout
    checked = on_terminal(tmp_path, ("plugin", "list"))
    write_agent(tmp_path, "disk", '[[preflight]]\nplugin = "gone"\n')
    explained = on_terminal(tmp_path, ("plugin", "list"))

    assert "Next:" not in unsaid
    assert checked.endswith(f"\n\nNext: dotagent plugin check {broken}\n")
    assert explained.endswith("\n\nNext: dotagent doctor\n")


def test_invoke_fills_in_what_the_payload_lacks(tmp_path: Path) -> None:
    """The six keys come first and in order, whatever was given; the answer is shown."""
    bash(tmp_path / "plugins", f'cat > {tmp_path}/got; echo \'{{"ok":true,"n":1}}\'; echo hi >&2')
    said = run(tmp_path, "plugin", "invoke", "demo", '{"config":{"a":1},"more":2,"kind":"sink"}')

    assert (0, 'ok\n{"n": 1}\n', "hi\n") == (said.returncode, said.stdout, said.stderr)
    assert (
        '{"kind":"sink","agent":"manual","schedule":"manual","event":"success","message":null,'
        '"config":{"a":1},"more":2}' == (tmp_path / "got").read_text()
    )


@pytest.mark.parametrize(
    ("args", "status", "word"),
    [
        (("demo", "{}"), 1, "refused: nothing for a stranger"),
        (("nobody", "{}"), 4, "not found"),
        (("demo", "[1]"), 2, "no JSON object"),
        (("demo", "x"), 2, "no JSON"),
        (("demo", "@/no/file"), 2, "cannot be read"),
        (("demo", '{"kind":"x"}'), 2, "kind must be one of"),
        (("demo", '{"agent":5}'), 1, "refused"),
    ],
)
def test_what_invoke_says_and_ends_with(
    tmp_path: Path, args: tuple[str, ...], status: int, word: str
) -> None:
    """The plugin's own no is 1, a plugin that is not there 4, a payload that is none 2."""
    bash(tmp_path / "plugins", """echo '{"ok":false,"error":"nothing for a stranger"}'""")
    said = run(tmp_path, "plugin", "invoke", *args)

    assert status == said.returncode
    assert word in said.stdout + said.stderr


def test_invoke_shows_no_secret(tmp_path: Path) -> None:
    """Neither one of the home nor one of the payload, wherever the plugin repeats it."""
    secrets = tmp_path / "secrets.env"
    secrets.write_text("KEY=canary-of-home\n")
    secrets.chmod(0o600)
    bash(
        tmp_path / "plugins",
        """echo "canary-of-home canary-of-config" >&2
        echo '{"ok":false,"error":"canary-of-config","x":"canary-of-home canary-of-config"}'""",
    )
    payload = '{"config":{"token":"canary-of-config"}}'
    for more in ([], ["--json"]):
        said = run(tmp_path, "plugin", "invoke", "demo", payload, *more)
        assert "canary" not in said.stdout + said.stderr
        assert "[redacted]" in said.stdout


@pytest.mark.parametrize("name", ["notebook-bash", "notebook-python"])
def test_the_examples_keep_the_protocol(tmp_path: Path, name: str) -> None:
    """As their authors would check them, with a configuration that works."""
    path = EXAMPLES / f"dotagent-plugin-{name}"
    config = json.dumps({"path": str(tmp_path / "notebook")}, separators=(",", ":"))
    said = run(tmp_path, "plugin", "check", str(path), "--config", config)

    assert (0, "") == (said.returncode, said.stderr)
    assert "✗" not in said.stdout
    assert "invoke as sink answers" in said.stdout


def test_a_good_plugin_passes(tmp_path: Path) -> None:
    """Every check, and none of the kinds that it does not claim."""
    said = run(tmp_path, "plugin", "check", bash(tmp_path, GOOD), "--json")
    checks = json.loads(said.stdout)

    assert (0, True) == (said.returncode, checks["ok"])
    assert [] == [each for each in checks["checks"] if each["problem"]]
    assert not any(
        "sink" in each["check"] and "as" in each["check"] for each in checks["checks"][3:]
    )


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("exec sleep 60", "info answers with its name"),
        ("echo hello", "info answers with its name"),
        (GOOD.replace("room", 'ok":1,"x'), "invoke as notify answers"),
        (GOOD.replace("validate)", "validate) echo x;"), "validate answers"),
        (GOOD.replace('"name":"demo"', '"name":"demo","platforms":["plan9"]'), "for this machine"),
        (GOOD.replace('["notify"]', '["mail"]'), "its kinds are"),
        (GOOD.replace("said=$(cat)", "said=$(head -c 1; sleep 60)"), "invoke as notify answers"),
    ],
)
def test_a_plugin_that_breaks_the_protocol_is_told_where(
    tmp_path: Path, body: str, what: str
) -> None:
    """Exit 1, and the check that failed says why."""
    path = write(tmp_path, "demo", f"#!/bin/bash\n{body}\n")
    said = run(tmp_path, "plugin", "check", str(path), "--timeout", "1")
    failed = [line for line in said.stdout.splitlines() if line.startswith("✗")]

    assert 1 == said.returncode
    assert any(what in line for line in failed)
