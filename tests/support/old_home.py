"""The state files of a dotagent 0.1.x home, byte for byte as contract §4 describes them."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

ISO = "%Y-%m-%dT%H:%M:%S%z"


class OldHome:
    """Writes what 0.1.x would have written. Times are milliseconds, as everywhere."""

    def __init__(self, home: Path, zone: tzinfo) -> None:
        self.home = home
        self.zone = zone
        self.state = home / "state"

    def heartbeat(
        self,
        agent: str,
        *,
        slug: str = "default",
        args: tuple[str, ...] = (),
        started_at: int,
        finished_at: int | None = None,
        exit_code: int | None = None,
        success_at: int | None = None,
    ) -> Path:
        took = None if finished_at is None else (finished_at - started_at) // 1_000
        content = {
            "name": agent,
            "slug": slug,
            "args": list(args),
            "started_at": started_at // 1_000,
            "started_at_iso": self.iso(started_at),
            "finished_at": self._seconds(finished_at),
            "finished_at_iso": self.iso(finished_at),
            "exit_code": exit_code,
            "duration_seconds": took,
            "last_success_at": self._seconds(success_at),
            "last_success_at_iso": self.iso(success_at),
        }
        return self._write(f"agents/{agent}/{slug}.heartbeat.json", content)

    def window(
        self,
        agent: str,
        schedule: str,
        expected_at: int,
        *,
        slug: str = "default",
        attempts: int = 1,
        tried_at: int | None = None,
        exit_code: int | None = None,
        stderr: str | None = None,
        given_up_at: int | None = None,
    ) -> Path:
        local = datetime.fromtimestamp(expected_at / 1_000, self.zone)
        content = {
            "agent": agent,
            "schedule_id": schedule,
            "expected_at": expected_at // 1_000,
            "attempts": attempts,
            "last_attempt_at": self._seconds(tried_at),
            "last_attempt_exit_code": exit_code,
            "last_attempt_stderr": stderr,
            "given_up": given_up_at is not None,
            "given_up_at": self._seconds(given_up_at),
        }
        return self._write(f"windows/{agent}-{slug}-{local:%Y-%m-%d-%H%M}.json", content)

    def known(self, *manifests: Path, at: int, other: str = "") -> Path:
        """known_manifests.json of these files; ``other``: an agent whose hash is another."""
        entries = {}
        for manifest in manifests:
            name = manifest.parent.name
            data = manifest.read_bytes() + (b"other" if name == other else b"")
            entries[name] = {
                "path": str(manifest),
                "sha256": hashlib.sha256(data).hexdigest(),
                "first_seen_at_iso": self.iso(at),
                "last_seen_at_iso": self.iso(at),
            }
        return self._write("known_manifests.json", {"entries": entries})

    def sent(self, to: str, at: int) -> Path:
        name = "".join(c if c.isascii() and c.isalnum() else "_" for c in to)
        content = {"last_send_at": at // 1_000, "last_send_iso": self.iso(at), "to": to}
        return self._write(f"notify/imessage/{name}.json", content)

    def iso(self, at: int | None) -> str | None:
        if at is None:
            return None
        return datetime.fromtimestamp(at // 1_000, self.zone).strftime(ISO)

    @staticmethod
    def _seconds(at: int | None) -> int | None:
        return None if at is None else at // 1_000

    def _write(self, name: str, content: dict[str, Any]) -> Path:
        path = self.state / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, ensure_ascii=False, indent=2))
        return path
