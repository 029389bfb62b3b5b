"""The plan of the house against its source: arrows go down, decisions are pure, extras at home."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import reports_async

PACKAGE = Path(reports_async.__file__).parent
FACE = PACKAGE.name

# Roof first. A room imports from the floors below its own, also for types only; rooms on one floor
# do not know each other. A new room must be given its floor here.
FLOORS = (
    {"__main__"},
    {"__init__", "cli", "obstore", "otel", "webhooks"},
    {"_pool"},
    {"_client"},
    {"_many", "_observed"},
    {"_job", "_opened", "_plain"},
    {"_workshop"},
    {"_submit", "_link", "_feed", "_recall"},
    {"_poller", "_download", "_listing", "_subscriptions"},
    {"_fetch", "_hearsay", "_overview", "_setbacks"},
    {"_shares", "_watches"},
    {"_part"},
    {"_intake"},
    {"_ahead"},
    {"_inflate", "_unpack"},
    {"_disk"},
    {"_api"},
    {"_auth", "_hub", "_ledger", "_quota", "_statistics"},
    {"stores", "testing", "transports"},
    {"abc"},
    {"_sansio"},
    {"_models"},
    {"_courtesy", "_credentials", "_filters", "_rows"},
    {"_clock", "_http", "_secrets", "_slot", "_tasks", "_validation"},
    {"_exceptions"},
)
ADAPTERS = {"stores", "testing", "transports"}
# The rest of the house knows adapters by their protocols.
MAY_CHOOSE_ADAPTERS = {"__init__", "_client", "_pool", "cli", "webhooks"} | ADAPTERS

HOMES = {
    "click": "cli",
    "httpx": "transports._httpx",
    "obstore": "obstore",
    "opentelemetry": "otel",
    "opentelemetry-api": "otel",
    "platformdirs": "cli",
    "psycopg": "stores._postgres",
    "redis": "stores._redis",
    "rich": "cli",
}


def name_of(path: Path) -> str:
    """The module's name below the package: ``_client``, ``stores``, ``stores._memory``."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}


def room(module: str) -> str:
    return module.partition(".")[0]


def imports(module: str) -> set[str]:
    """Every absolute name that a module imports, wherever in it; names from a module are joined."""
    package = [FACE, *module.split(".")]
    if MODULES[module].name != "__init__.py" or module == "__init__":
        package.pop()
    found: set[str] = set()
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*start, *filter(None, [node.module])])
            found.update(f"{base}.{alias.name}" for alias in node.names)
    return found


def inner(module: str) -> set[str]:
    """The modules of the package that a module imports; the face is ``__init__``."""
    found: set[str] = set()
    for name in imports(module):
        top, _, rest = name.partition(".")
        if top != FACE:
            continue
        while rest and rest not in MODULES:
            rest = rest.rpartition(".")[0]
        found.add(rest or "__init__")
    return found - {module}


def test_every_room_has_a_floor():
    """
    Every room of the package has a place in the plan, and one only.
    """
    planned = [name for floor in FLOORS for name in floor]

    assert sorted(set(planned)) == sorted(planned)
    assert set() == {room(module) for module in MODULES} - set(planned)


def test_the_plan_is_told():
    """
    The table for contributors has all rooms, roof first, as the plan has them.
    """
    guide = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text("utf-8")
    rows = guide.partition("| room |")[2].partition("\n\n")[0].splitlines()
    told = [name for row in rows for name in re.findall(r"`(\w+)/?`", row.split("|")[1])]
    floor = {name: height for height, names in enumerate(FLOORS) for name in names}

    assert sorted(floor) == sorted(told)
    assert sorted(told, key=floor.__getitem__) == told


@pytest.mark.parametrize("module", MODULES)
def test_arrows_go_down(module):
    """
    A room imports from itself and from lower floors only.
    """
    floor = {name: height for height, names in enumerate(FLOORS) for name in names}
    own = room(module)

    assert set() == {
        name for name in inner(module) if room(name) != own and floor[room(name)] <= floor[own]
    }


def test_no_circles():
    """
    No module leads back to itself, neither by an import inside a function nor by one for types.
    """
    order = TopologicalSorter({module: inner(module) for module in MODULES}).static_order()

    assert set(MODULES) == set(order)


@pytest.mark.parametrize("module", MODULES)
def test_nobody_leans_on_the_face(module):
    """
    Nothing inside the package imports the package itself.
    """
    assert "__init__" not in inner(module)


@pytest.mark.parametrize("module", [name for name in MODULES if room(name) in ADAPTERS])
def test_adapters_do_not_meet(module):
    """
    An adapter knows no other adapter, and an adapter of a kind no other of its kind.
    """
    siblings = {"transports._aiohttp", "transports._httpx"}
    siblings |= {f"stores._{kind}" for kind in ("memory", "sqlite", "redis", "postgres")}

    assert {room(module)} >= {room(name) for name in inner(module)} & ADAPTERS
    if module in siblings:
        assert set() == inner(module) & siblings


@pytest.mark.parametrize(
    "module", [name for name in MODULES if room(name) not in MAY_CHOOSE_ADAPTERS]
)
def test_adapters_are_chosen_at_the_top(module):
    """
    Below the client, adapters are known by the protocols of `abc` alone.
    """
    assert set() == {room(name) for name in inner(module)} & ADAPTERS


IMPURE_MODULES = {
    "aiohttp", "anyio", "asyncio", "os", "random", "secrets", "socket", "threading", "time", "trio",
    "uuid",
}  # fmt: skip
IMPURE_CALLS = {"input", "now", "open", "print", "read_text", "today", "utcnow", "write_text"}


@pytest.mark.parametrize("module", [name for name in MODULES if room(name) == "_sansio"])
def test_decisions_are_pure(module):
    """
    Decisions await nothing and reach for no clock, chance, file or environment.
    """
    nodes = list(ast.walk(TREES[module]))
    awaiting = (ast.AsyncFor, ast.AsyncFunctionDef, ast.AsyncWith, ast.Await)
    called = {
        node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
        for node in nodes
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name)
    }

    assert [] == [node.lineno for node in nodes if isinstance(node, awaiting)]
    assert set() == {name.partition(".")[0] for name in imports(module)} & IMPURE_MODULES
    assert set() == called & IMPURE_CALLS


@pytest.mark.parametrize("module", MODULES)
def test_extras_stay_at_home(module):
    """
    An optional dependency is imported in its own adapter only.
    """
    strangers = {name.partition(".")[0] for name in imports(module)} & set(HOMES)

    assert set() == {
        name
        for name in strangers
        if module != HOMES[name] and not module.startswith(f"{HOMES[name]}.")
    }


def test_every_extra_has_a_home():
    """
    Every package that an extra installs is one whose home is known here.
    """
    pyproject = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))
    extras = pyproject["project"]["optional-dependencies"]
    packages = {
        requirement.partition(">")[0].partition("[")[0]
        for requirements in extras.values()
        for requirement in requirements
    }

    assert set() == packages - set(HOMES)


def test_the_face_imports_no_extra():
    """
    Importing the package and its public modules imports none of the extras.
    """
    public = [FACE, *(f"{FACE}.{name}" for name in MODULES if "_" not in name and name != "cli")]
    homes = tuple(f"{FACE}.{home}" for home in HOMES.values())
    public = [name for name in public if not name.startswith(homes)]
    program = f"import sys, {', '.join(public)}; print(*sys.modules)"
    output = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True
    )

    loaded = {name.partition(".")[0] for name in output.stdout.split()}
    assert FACE in loaded
    assert set() == loaded & set(HOMES)


@pytest.mark.parametrize("module", MODULES)
def test_rooms_are_rooms(module):
    """
    No module is longer than 400 lines: past that it is two.
    """
    lines = MODULES[module].read_text(encoding="utf-8").count("\n")

    assert lines <= 400


@pytest.mark.parametrize("module", MODULES)
def test_rooms_say_what_they_are(module):
    """
    Every module begins with what it decides or does.
    """
    assert ast.get_docstring(TREES[module])


@pytest.mark.parametrize(
    "module", ["__init__", "abc", "stores", "testing", "transports", "webhooks"]
)
def test_public_names_exist(module):
    """
    Every name that a public module promises is there, or says what to install for it.
    """
    found = importlib.import_module(FACE if module == "__init__" else f"{FACE}.{module}")

    assert sorted(set(found.__all__)) == sorted(found.__all__)
    for name in found.__all__:
        try:
            getattr(found, name)
        except ImportError as exc:
            assert "pip install" in str(exc)  # noqa: PT017 -- both ways are right
