"""What the service file of this home says: the same for who writes it and who checks it later."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from dotagent.core import unit
from dotagent.core.unit import Service
from dotagent.system import service
from dotagent.system.paths import Paths
from dotagent.system.service import Launchd, Manager


def service_of(paths: Paths, kept: Mapping[str, str], stop_grace_ms: int) -> Service:
    """The daemon of this home as this program, started again, would run it."""
    program = service.program(sys.argv[0], sys.executable, kept.get("PATH", ""))
    environment = {"DOTAGENT_HOME": paths.home}
    if "PATH" in kept:
        environment["PATH"] = kept["PATH"]
    return Service(
        argv=(*program, "daemon"),
        environment=environment,
        stop_grace_ms=stop_grace_ms,
        log=paths.service_log,
    )


def text_of(manager: Manager, wanted: Service) -> bytes:
    """The file's content."""
    if isinstance(manager, Launchd):
        return unit.launchd(wanted)
    return unit.systemd(wanted).encode("utf-8", "surrogateescape")
