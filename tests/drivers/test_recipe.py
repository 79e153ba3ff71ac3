"""CONTRIBUTING.md's recipe for a new driver, followed to the letter in a copy of the tree."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.house import ROOT

DRIVER = '''"""A gong in the hall.

    [[notifiers]]
    driver = "gong"
    url = "https://gong.example/${GONG_KEY}"
    times = 2   # optional

Ask the porter for the key.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from dotagent.core.fit import fit, points
from dotagent.core.model import Message, Outcome
from dotagent.drivers.kit.driver import Limit
from dotagent.drivers.kit.wire import by_status, plain_tail, url_problem
from dotagent.ports import Pace, Request, Response

TEXT = Limit(of="text", most=200, unit="characters", source="https://gong.example/api")
LIMITS = (TEXT,)
PACE = Pace(burst=3, every_ms=100)
TARGET = ("url",)
SECRETS = ("url",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    url: str = field(repr=False)
    times: int = 1

    def check(self) -> Iterator[tuple[str, str]]:
        if problem := url_problem(self.url):
            yield "url", problem


def request(config: Config, message: Message, plain: bool) -> Request:
    tail = plain_tail(message) if plain else message.tail
    body = fit(message.line, tail, TEXT.most, points).encode()
    return Request(url=config.url, headers=(("X-Times", str(config.times)),), body=body)


def classify(response: Response) -> Outcome:
    return by_status("the gong", response)
'''

TEST = '''"""The gong, and a server that is as particular."""

from __future__ import annotations

from typing import Any

from dotagent.drivers import gong
from tests.drivers.harness import message
from tests.support.http_server import Answer, Received, StrictServer

BUSY = ((Answer(status=429, headers=(("Retry-After", "9"),)), 9_000),)


class GongServer(StrictServer):
    def settings(self) -> dict[str, Any]:
        return {"url": f"{self.url}/{self.secret}"}

    def judge(self, request: Received) -> Answer:
        if (request.method, request.target) != ("POST", f"/{self.secret}"):
            return Answer(status=404)
        good = 0 < len(request.body.decode()) <= 200 and request.header("x-times") == "1"
        return Answer(status=200 if good else 400)


SERVER = GongServer


def test_exact_request() -> None:
    """The line is the body."""
    request = gong.request(gong.Config(url="https://gong.example/k"), message("a", "b"), False)

    assert b"a\\nb" == request.body
'''

MANIFEST = """[agent]
name = "a"
[run]
command = "true"
[[notifiers]]
driver = "gong"
url = "https://gong.example/k"
"""

ASK = """import sys
from dotagent import app
from dotagent.core.manifest import read_manifest
manifest, problems = read_manifest(sys.stdin.buffer.read(), app.drivers())
print([notifier.driver for notifier in manifest.notifiers], problems)
"""

OFFER = """from dotagent.cli import channel
from dotagent.drivers.kit import registry
(found,) = [entry for entry in channel.menu() if entry[0] == "gong"]
print(*found, [each.key for each in channel.asked(registry.load("gong"))])
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with two more files, and nothing else touched."""
    copy = tmp_path_factory.mktemp("tree")
    for name in ("src", "tests"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    (copy / "src" / "dotagent" / "drivers" / "gong.py").write_text(DRIVER)
    (copy / "tests" / "drivers" / "test_gong.py").write_text(TEST)
    return copy


def run(tree: Path, *args: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    env = os.environ | {"PYTHONPATH": f"{tree / 'src'}:{tree}"}
    return subprocess.run(
        [sys.executable, *args], cwd=tree, env=env, input=stdin, capture_output=True, text=True
    )


@pytest.mark.timeout(300)
def test_the_suites_find_it(tree: Path) -> None:
    """The conformance suite takes the new driver as it is, also over the wire. (What waits for a
    service that never answers is left out: it only takes its time.)"""
    files = ("tests/drivers/test_conformance.py", "tests/drivers/test_gong.py")
    some = "gong and not fault and not recovers and not nowhere"
    flags = ("-q", "-n", "0", "-p", "no:cacheprovider", "-k", some)
    done = run(tree, "-m", "pytest", *flags, *files)

    assert 0 == done.returncode, done.stdout + done.stderr
    assert int(done.stdout.split(" passed")[0].split()[-1]) > 50


def test_it_is_offered(tree: Path) -> None:
    """``connect`` offers it in its own words and asks for what it needs."""
    assert "gong A gong in the hall. ['url']\n" == run(tree, "-c", OFFER).stdout


def test_a_manifest_may_name_it(tree: Path) -> None:
    """Its name needs no list: a manifest with it is good."""
    assert "['gong'] ()\n" == run(tree, "-c", ASK, stdin=MANIFEST).stdout.replace("[]", "()")
