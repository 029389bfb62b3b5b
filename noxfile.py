"""The checks of the project: ``nox`` runs them all, ``nox -l`` lists them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import nox

nox.options.sessions = ["lint", "typing", "tests", "coverage"]
nox.options.default_venv_backend = "venv"
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_external_run = True
# A Python that is not here is skipped: not fetched, and no error on CI either.
nox.options.error_on_missing_interpreters = False
nox.options.download_python = "never"

ROOT = Path(__file__).parent
PYPROJECT = nox.project.load_toml(ROOT / "pyproject.toml")
PYTHONS = nox.project.python_versions(PYPROJECT)
EXTRAS = ",".join(PYPROJECT["project"]["optional-dependencies"])

# Without extras, what needs none: enough of each floor to show that it does not.
BARE = [
    *("tests/test_house.py", "tests/sansio", "tests/transports", "tests/test_sockets.py"),
    *("tests/test_client_lifetime.py", "tests/test_job.py", "tests/test_submit.py"),
    *("tests/test_poller.py", "tests/test_download.py", "tests/test_webhooks.py"),
]
# How many sessions have run, by their extras.
DONE: Counter[str] = Counter()


def group(name: str) -> list[str]:
    """Return the requirements of a dependency group."""
    return nox.project.dependency_groups(PYPROJECT, name)


@nox.session
def lint(session: nox.Session) -> None:
    session.install(*group("lint"))

    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def typing(session: nox.Session) -> None:
    session.install(f".[{EXTRAS}]", *group("typing"))

    session.run("mypy", "reports_async", "tests/typing", "examples")
    # Scripts: not strict, but what one of them takes from another must be there.
    loose = ("--config-file=", "--check-untyped-defs", "--ignore-missing-imports")
    session.run("mypy", *loose, "benchmarks")
    # pyright brings its program and Node.js as wheels; looking for a newer one is not our business.
    session.run("pyright", env={"PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"})


@nox.session
@nox.parametrize(
    ("python", "extras"),
    [
        *(nox.param(python, EXTRAS, id=f"{python}-extras") for python in PYTHONS),
        *(nox.param(python, "", id=f"{python}-bare") for python in PYTHONS),
    ],
)
def tests(session: nox.Session, extras: str) -> None:
    # No branch depends on the version: one Python says it for all, of coverage and of what is bare.
    first = not DONE[extras]
    DONE[extras] += 1
    # What is tested is what users install: the wheel, not the directory that we stand in.
    env = {"PYTHONSAFEPATH": "1"}
    pytest = ("pytest", "--numprocesses=2", *session.posargs)
    if not extras:
        if not first:
            session.skip("Shown by another Python.")
        session.install(".", *group("tests"))
        session.run(*pytest, *(() if session.posargs else BARE), env=env)
        return

    session.install(f".[{extras}]", *group("tests"), *group("tests-extras"))
    if session.posargs or not first:
        session.run(*pytest, env=env)
        return
    for old in ROOT.glob(".coverage*"):
        old.unlink()
    # Absolute, because some tests run the program elsewhere.
    env["COVERAGE_FILE"] = str(ROOT / f".coverage.{session.python}")
    session.run("coverage", "run", "-m", *pytest, env=env)


@nox.session
def coverage(session: nox.Session) -> None:
    if session.posargs:
        session.skip("Of a part of the tests it says nothing.")
    session.install("coverage>=7.6")

    session.run("coverage", "combine")
    session.run("coverage", "report")


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    session.install(f".[{EXTRAS}]", *group("bench"))

    for script in session.posargs or sorted(map(str, Path("benchmarks").glob("bench_*.py"))):
        session.run("python", script)


@nox.session(default=False)
def pictures(session: nox.Session) -> None:
    session.install(f".[{EXTRAS}]")

    session.run("python", "docs/pictures.py")
