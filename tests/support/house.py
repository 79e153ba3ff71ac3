"""The rules of the house that no linter knows, each a function from source to what is wrong in it.

Every checker takes text (or a parsed module) and returns sentences with line numbers; an empty list
is good. ``tests/test_house.py`` applies them to the tree and shows that each can find something.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "dotagent"
FOLDERS = ("src", "tests", "bench", "scripts", "docs", "requirements", ".ci")

MODULE_LINES = 400
DRIVER_LINES = 200
FUNCTION_LINES = 40

BANNED = frozenset(
    {
        "asyncio.create_subprocess_exec",
        "asyncio.create_subprocess_shell",
        "asyncio.sleep",
        "datetime.date.today",
        "datetime.datetime.now",
        "datetime.datetime.today",
        "datetime.datetime.utcnow",
        "os.environ",
        "os.fork",
        "os.getenv",
        "os.popen",
        "os.posix_spawn",
        "os.system",
        "os.urandom",
        "random",
        "secrets",
        "subprocess",
        "time.sleep",
        "time.time",
        "time.time_ns",
        "uuid",
    }
)
"""Time, chance, identity, processes and the environment: arguments everywhere but at the edge."""

ENVIRONMENT = frozenset({"os.environ", "os.getenv"})
ALLOWED = {
    "system": BANNED,
    "supervisor": BANNED,
    "plugins": BANNED,
    "cli": ENVIRONMENT,
    "__main__": ENVIRONMENT,
}
"""What each room of the package may use nevertheless."""

SLEEPS = frozenset({"asyncio.sleep", "time.sleep"})
SKIPS = frozenset(
    {
        "pytest.importorskip",
        "pytest.mark.skip",
        "pytest.mark.skipif",
        "pytest.mark.xfail",
        "pytest.skip",
        "pytest.xfail",
        "unittest.skip",
    }
)
PATCHES = frozenset({"monkeypatch.setattr", "unittest.mock"})

INDEX_HOSTS = ("py" + "pi.org", "python" + "hosted.org", "registry." + "npm", "/simp" + "le/")

Function = ast.FunctionDef | ast.AsyncFunctionDef


# ------------------------------------------------------------------------------------------- size


def too_long(text: str, *, driver: bool = False) -> list[str]:
    """A module within its budget can be read in one sitting."""
    budget = DRIVER_LINES if driver else MODULE_LINES
    lines = len(text.splitlines())
    return [f"{lines} lines, {budget} are allowed"] if lines > budget else []


def is_driver(module: ast.Module) -> bool:
    """Whether a module of ``drivers/`` speaks to a service: it then has a ``Config`` record."""
    return any(isinstance(node, ast.ClassDef) and node.name == "Config" for node in module.body)


def long_functions(module: ast.Module) -> list[str]:
    """A function's lines are counted without its decorators and its docstring."""
    return [
        f"line {function.lineno}: {function.name} has {lines} lines, {FUNCTION_LINES} are allowed"
        for function in functions(module)
        if (lines := _length(function)) > FUNCTION_LINES
    ]


def _length(function: Function) -> int:
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function, clean=False) is not None:
        lines -= (first.end_lineno or first.lineno) - first.lineno + 1
    return lines


def functions(module: ast.Module) -> Iterator[Function]:
    """Every function and method, at any depth."""
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


# ------------------------------------------------------------------------------------------ names


def imported(module: ast.Module) -> dict[str, str]:
    """Local name to the full dotted name that it stands for, from every import in the module."""
    names = {}
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.asname:
                    names[alias.asname] = alias.name
                else:
                    top = alias.name.partition(".")[0]
                    names[top] = top
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return names


def dotted(node: ast.AST) -> str | None:
    """``a.b.c`` of a name or a chain of attributes, else None."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return None if before is None else f"{before}.{node.attr}"
    return None


def uses(module: ast.Module, banned: frozenset[str]) -> list[tuple[int, str, ast.AST]]:
    """(line, full name, node) of every import or mention of a banned name or of a part of one."""
    names = {"monkeypatch": "monkeypatch"} | imported(module)
    found: list[tuple[int, str, ast.AST]] = []
    for node in ast.walk(module):
        for name in _mentioned(node, names):
            if _covers(banned, name):
                found.append((getattr(node, "lineno", 0), name, node))
    return found


def _mentioned(node: ast.AST, names: dict[str, str]) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [f"{node.module}.{alias.name}" for alias in node.names]
    top, dot, rest = (dotted(node) or "").partition(".")
    return [names[top] + dot + rest] if top in names else []


def _covers(banned: frozenset[str], name: str) -> bool:
    parts = name.split(".")
    return any(".".join(parts[:count]) in banned for count in range(1, len(parts) + 1))


def _once(found: list[tuple[int, str, ast.AST]], why: str) -> list[str]:
    return sorted({f"line {line}: {name} {why}" for line, name, _ in found})


# ------------------------------------------------------------------------------------ what is said


def banned_calls(module: ast.Module, room: str) -> list[str]:
    """Time, chance, identity, processes and environment only in the rooms that own them."""
    found = uses(module, BANNED - ALLOWED.get(room, frozenset()))
    return _once(found, "belongs to system/; take it as an argument or through a port")


IMPORTED_AS = {"rubicon-objc": "rubicon"}


def undeclared(module: ast.Module, declared: frozenset[str]) -> list[str]:
    """What is imported is declared, and not merely brought along by something else.

    ``declared`` holds distribution names; all but ``IMPORTED_AS`` are imported under their own.
    """
    known = {IMPORTED_AS.get(name, name).lower().replace("-", "_") for name in declared}
    known |= sys.stdlib_module_names | {"dotagent"}
    found = set()
    for node in ast.walk(module):
        if isinstance(node, ast.Import | ast.ImportFrom):
            tops = {name.partition(".")[0] for name in _mentioned(node, {})}
            found |= {f"line {node.lineno}: {top} is no dependency" for top in tops - known}
    return sorted(found)


def without_docstring(module: ast.Module) -> list[str]:
    """Every module says what it decides or does."""
    return [] if ast.get_docstring(module) else ["has no module docstring"]


def not_empty(text: str) -> list[str]:
    """A package's ``__init__.py`` holds nothing, so that importing one room imports only that."""
    return ["must be empty"] if text.strip() else []


# ------------------------------------------------------------------------------------------ tests


def idle_asserts(module: ast.Module) -> list[str]:
    """An assertion on a constant can never fail."""
    return [
        f"line {node.lineno}: asserts a constant"
        for node in ast.walk(module)
        if isinstance(node, ast.Assert) and isinstance(node.test, ast.Constant)
    ]


def unsaid_tests(module: ast.Module) -> list[str]:
    """A test's docstring is the sentence that it proves."""
    return [
        f"line {function.lineno}: {function.name} has no docstring"
        for function in functions(module)
        if function.name.startswith("test_") and not ast.get_docstring(function)
    ]


def skips(module: ast.Module) -> list[str]:
    """Only ``tests/support`` decides what the machine lacks; nothing is skipped by hand."""
    return _once(uses(module, SKIPS), "is for tests/support only; call its require()")


def sleeps(module: ast.Module) -> list[str]:
    """A test waits for a thing, not for a time; ``asyncio.sleep(0)`` only lets others run."""
    yields = {
        node.func
        for node in ast.walk(module)
        if isinstance(node, ast.Call) and [ast.dump(arg) for arg in node.args] == [_ZERO]
    }
    found = [use for use in uses(module, SLEEPS) if use[2] not in yields]
    return _once(found, "waits for a time; wait for the thing itself")


_ZERO = ast.dump(ast.Constant(0))


def patches(module: ast.Module) -> list[str]:
    """What a test needs otherwise is passed in, not patched in."""
    return _once(uses(module, PATCHES), "patches; pass the part in")


# ----------------------------------------------------------------------------------- what is kept


def foreign_places(text: str, places: tuple[str, ...]) -> list[str]:
    """A kept file names no folder of the machine it was written on and no package index."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        found += [f"line {number}: names {host}" for host in INDEX_HOSTS if host in line]
        found += [
            f"line {number}: names {place}"
            for place in places
            if re.search(rf"(?<![\w.$}}/-]){re.escape(place)}(?![\w.-])", line)
        ]
    return found


def machine_places(root: Path, home: Path) -> tuple[str, ...]:
    """The folders that only this machine has: where the project lies, and the person's home."""
    shared = {Path("/"), Path("/tmp"), Path("/home"), Path("/opt"), Path("/srv"), Path("/var/tmp")}
    return tuple(sorted({str(place) for place in {root, root.parent, home} - shared}))


PIN = re.compile(r"[a-z0-9][a-z0-9._-]*==[0-9][\w.+!-]*( ; [\w .'\"<>=!()]+)? \\")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")


def loose_pins(text: str) -> list[str]:
    """A lock holds names, versions, markers and hashes, and nothing about where they came from."""
    return [
        f"line {number}: {line!r} is neither a pin nor a hash"
        for number, line in enumerate(text.splitlines(), 1)
        if not PIN.fullmatch(line) and not HASH.fullmatch(line)
    ]


# ------------------------------------------------------------------------------------------- tree


def kept_files() -> list[Path]:
    """Every text file that belongs to the project, in a fixed order."""
    found = [path for path in ROOT.iterdir() if path.is_file()]
    for folder in FOLDERS:
        found += [path for path in (ROOT / folder).rglob("*") if path.is_file()]
    return sorted(path for path in found if "__pycache__" not in path.parts and _is_text(path))


def _is_text(path: Path) -> bool:
    return b"\0" not in path.read_bytes()[:4096]


def python_files(*folders: Path) -> list[Path]:
    """The Python files below ``folders``, in a fixed order."""
    return sorted(path for folder in folders for path in folder.rglob("*.py"))


def room_of(path: Path) -> str:
    """The room of a file of the package: its first folder, or its own name at the top."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")
