"""The manifests in force: exactly the bytes that were adopted, also while new ones are coming."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from dotagent.app import drivers
from dotagent.steps.catalogue import Catalogue, Gone
from dotagent.system import goodcopy
from dotagent.system.paths import Paths

MANIFEST = '[agent]\nname = "a"\ntimeout = "{}m"\n[run]\ncommand = "true"\n'


def version(minutes: int) -> tuple[bytes, str]:
    """A manifest, and its hash."""
    data = MANIFEST.format(minutes).encode()
    return data, sha256(data).hexdigest()


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    made = Paths(str(tmp_path))
    Path(made.manifests).mkdir(parents=True)
    return made


def test_the_adopted_manifest_is_there_while_the_next_is_kept(paths: Paths) -> None:
    """A new manifest's copy is on disk before the store adopts it. Until then, and if a crash comes
    in between, what the store knows of is still the one before, and it can be had."""
    (old, old_sha), (new, new_sha) = version(1), version(2)
    goodcopy.write(paths.good_manifest("a"), old)
    goodcopy.write(paths.good_manifest("a"), new)
    catalogue = Catalogue(paths, drivers)
    minutes = [
        catalogue.manifest("a", sha).agent.timeout_ms // 60_000 for sha in (old_sha, new_sha)
    ]

    assert [1, 2] == minutes


def test_other_bytes_are_never_handed_out(paths: Paths) -> None:
    """A copy that somebody has changed, or that is not there, is no manifest."""
    _, sha = version(1)
    goodcopy.write(paths.good_manifest("a"), version(2)[0])

    with pytest.raises(Gone):
        Catalogue(paths, drivers).manifest("a", sha)
    with pytest.raises(Gone):
        Catalogue(paths, drivers).manifest("b", sha)
