"""The programs that dotagent is measured against, and the receiver that both send to.

Apprise comes with the development environment; Alertmanager is Debian's and is installed on first
use where that is possible. It is set up for speed (``group_wait: 0s``).
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PACKAGE = "prometheus-alertmanager"

CONFIG = """\
route:
  receiver: bench
  group_by: ["..."]
  group_wait: 0s
  group_interval: 1m
receivers:
  - name: bench
    webhook_configs:
      - url: {url}
        send_resolved: false
"""


class Receiver:
    """A ``bench.receiver`` process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.port = int(self._line())
        self.url = f"http://127.0.0.1:{self.port}/"

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def _ask(self, question: str) -> int:
        assert self._process.stdin is not None
        self._process.stdin.write(question + "\n")
        self._process.stdin.flush()
        return int(self._line())

    def nth(self, number: int) -> int:
        """When the ``number``-th request since the last reset arrived (monotonic ns); waits."""
        return self._ask(f"wait {number}")

    def reset(self) -> int:
        """Begin to count anew; how many there were."""
        return self._ask("reset")


@contextmanager
def receiver(*, hangs: bool = False) -> Iterator[Receiver]:
    """A receiver while this lasts."""
    argv = [sys.executable, "-m", "bench.receiver", *(["--hangs"] if hangs else [])]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Receiver(process)
        assert process.stdin is not None
        process.stdin.close()


# ---------------------------------------------------------------------------------- Alertmanager


def install_alertmanager() -> str:
    """The program's path. Ends the benchmark with what to do where it cannot be had."""
    if found := shutil.which(PACKAGE):
        return found
    if os.geteuid() == 0 and shutil.which("apt-get"):
        print(f"Installing {PACKAGE} to measure against", file=sys.stderr)
        env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        quiet = ["-qq", "-y", "--no-install-recommends"]
        for words in (["update", "-qq"], ["install", *quiet, PACKAGE]):
            subprocess.run(["apt-get", *words], env=env, capture_output=True, check=False)
    if found := shutil.which(PACKAGE):
        return found
    sys.exit(f"To measure against Alertmanager, install it: sudo apt-get install {PACKAGE}")


class Alertmanager:
    """A running Alertmanager, and one kept connection to its API."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port)
        self._number = 0

    def post(self, count: int = 1) -> None:
        """Raise ``count`` new alerts in one request (its API v2)."""
        alerts = []
        for _ in range(count):
            self._number += 1
            labels = {"alertname": "failed", "agent": f"a{self._number}"}
            alerts.append({"labels": labels, "annotations": {"line": "exit 1 after 4.2 s"}})
        body = json.dumps(alerts).encode()
        self._connection.request(
            "POST", "/api/v2/alerts", body, {"Content-Type": "application/json"}
        )
        answer = self._connection.getresponse()
        said = answer.read()
        if answer.status != 200:
            sys.exit(f"Alertmanager refused an alert: {answer.status} {said.decode()}")


@contextmanager
def alertmanager(url: str, scratch: Path) -> Iterator[Alertmanager]:
    """An Alertmanager that sends to ``url`` while this lasts."""
    program, port = install_alertmanager(), free_port()
    folder = scratch / f"alertmanager-{port}"
    folder.mkdir()
    (folder / "config.yml").write_text(CONFIG.format(url=url))
    argv = [
        program,
        f"--config.file={folder}/config.yml",
        f"--storage.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
        "--log.level=error",
    ]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL) as process:
        try:
            _until_open(port)
            yield Alertmanager(port)
        finally:
            process.terminate()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def _until_open(port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            time.sleep(0.02)
    sys.exit("Alertmanager did not start within 30 s")
