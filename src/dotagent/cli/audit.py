"""``dotagent audit``: whether the record is what was written, and what its last entries say."""

from __future__ import annotations

import json
import os
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import click

from dotagent.cli.attest import Finding, attest, attest_alone, attest_legacy
from dotagent.cli.layout import page_for, plain
from dotagent.core.errors import HomeError
from dotagent.store.reading import record
from dotagent.system import auditfile, lock
from dotagent.system.paths import Paths, home
from dotagent.system.waiting import pause

WAIT_MS = 250
STYLES = {"critical": "bad", "notice": "head"}


@click.group("audit")
def command() -> None:
    """The record of all that ran and all that was told."""


@command.command("verify")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def verify(as_json: bool) -> int:
    """Check every line of the record; exit 1 if one is not as it was written.

    Finds lines that were changed, removed, inserted or moved and, against the database, an end that
    was cut. A log of dotagent 0.1.x in the same home is checked too.
    """
    findings = _examine(Paths(home(os.environ)))
    whole = all(finding.whole for finding in findings)
    if as_json:
        records = [_facts(finding) for finding in findings]
        click.echo(json.dumps({"ok": whole, "records": records}, ensure_ascii=False))
    else:
        _tell(findings)
    return 0 if whole else 1


@command.command("tail")
@click.option("-n", "--lines", type=click.IntRange(min=1), default=20, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="The lines as they are: JSON, one each.")
def tail(lines: int, as_json: bool) -> int:
    """Show the last entries of the record."""
    path = Paths(home(os.environ)).audit
    entries = _last(path, lines)
    page = page_for(sys.stdout, os.environ)
    for line in entries:
        text = line.decode(errors="replace")
        if as_json:
            click.echo(text)
        else:
            severity, shown = _readable(text)
            click.echo(page.paint(shown, STYLES.get(severity, "")))
    if not entries:
        click.echo("Nothing has been recorded yet. Try: dotagent run", err=as_json)
    return 0


# --------------------------------------------------------------------------------------- verifying


def _examine(paths: Paths) -> list[Finding]:
    """The record and, where there is one, the older log; nothing where there is neither."""
    legacy = auditfile.verify_legacy(paths.legacy_audit)
    findings = []
    with record(paths.database) as reader:
        if reader is not None:
            held = lock.peek(paths.lock) is not None
            findings.append(
                attest(paths.audit, reader, legacy=legacy, held=held, pause=partial(pause, WAIT_MS))
            )
        elif os.path.lexists(paths.audit):
            findings.append(attest_alone(paths.audit))
        if legacy is not None:
            findings.append(attest_legacy(paths.legacy_audit, legacy, reader))
    return findings


def _facts(finding: Finding) -> Mapping[str, Any]:
    return {
        "file": finding.path,
        "ok": finding.whole,
        "entries": finding.entries,
        "waiting": finding.waiting,
        "broken_at": finding.broken_at,
        "reason": finding.reason or None,
        "note": finding.note or None,
    }


def _tell(findings: Sequence[Finding]) -> None:
    page = page_for(sys.stdout, os.environ)
    if not findings:
        click.echo("Nothing has been recorded yet.")
    for finding in findings:
        if finding.whole:
            entries = "1 entry" if finding.entries == 1 else f"{finding.entries:,} entries"
            head = page.paint("whole", "good")
            click.echo(f"{finding.path}: {head}, {entries}, each as it was written")
        else:
            head = page.paint("broken", "bad")
            click.echo(f"{finding.path}: {head}: {plain(finding.reason)}")
        if finding.waiting:
            click.echo(f"  {finding.waiting} more: recorded, and written by whoever acts next")
        if finding.note:
            click.echo(f"  {finding.note}")
    if not all(finding.whole for finding in findings):
        click.echo("What was recorded last: dotagent audit tail")


# ------------------------------------------------------------------------------------------ showing


def _last(path: str, count: int) -> Sequence[bytes]:
    try:
        with open(path, "rb") as file:
            return deque((line.rstrip(b"\n") for line in file), maxlen=count)
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise HomeError(f"the audit log {path} cannot be read: {error.strerror}") from error


def _readable(line: str) -> tuple[str, str]:
    """The severity, and the entry in one line for people; what is no entry stays as it is."""
    try:
        entry = json.loads(line)
        fields = dict(entry["event"])
        severity, ts = str(entry["severity"]), str(entry["ts"])
        kind = str(fields.pop("event_type"))
    except (ValueError, KeyError, TypeError, RecursionError):
        return "critical", f"(no audit entry) {plain(line)}"
    said = " ".join(f"{name}={_value(value)}" for name, value in fields.items())
    return severity, plain(f"{ts}  {severity:<8}  {kind}  {said}".rstrip())


def _value(value: Any) -> str:
    if isinstance(value, str) and value and value.isprintable() and " " not in value:
        return value
    return json.dumps(value, ensure_ascii=False)
