"""How long ``import reports_async`` takes, beside aiohttp's own import, which it contains."""

from __future__ import annotations

import subprocess
import sys
import time

from side_by_side import measure, table

ROUNDS = 11


def importing(statement: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return (time.perf_counter() - began) * 1000


def main() -> None:
    contenders = {
        "python, nothing imported": lambda: importing("pass"),
        "import aiohttp": lambda: importing("import aiohttp"),
        "import reports_async": lambda: importing("import reports_async"),
    }
    medians = measure(contenders, rounds=ROUNDS)
    table(f"Import (median of {ROUNDS})", medians, unit="ms", base="import aiohttp")


if __name__ == "__main__":
    main()
