"""What is ours must be ours to write, too."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from dotagent.system import home, modes
from dotagent.system.paths import Paths
from tests.supervisor.children import powerless
from tests.support.system import require_root

NOBODY = 65534


def test_a_folder_that_its_owner_may_not_write() -> None:
    """Nothing can run in such a home: the folder is named, and the command that mends it."""
    require_root("to become somebody whom modes bind")
    with tempfile.TemporaryDirectory() as made:  # below it nobody but root closes a folder
        folder = Path(made)
        paths = Paths(made)
        home.prepare(paths)
        for each in [folder, *folder.rglob("*")]:
            os.chown(each, NOBODY, NOBODY, follow_symlinks=False)
        (folder / "state").chmod(0o500)
        with powerless():
            found = modes.findings(paths)

    assert [(paths.state, "you may not write here", f"chmod u+rwx {paths.state}")] == [
        (problem.file, problem.message, problem.hint) for problem in found
    ]
