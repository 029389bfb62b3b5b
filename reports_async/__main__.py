"""The program `reports-async`, also as ``python -m reports_async``."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from typing import Final

EXTRA: Final = ("click", "platformdirs", "rich")


def main() -> None:
    """Run the command line; without its extra, say how to install it."""
    if any(find_spec(name) is None for name in EXTRA):
        sys.stderr.write('The command line needs an extra: pip install "reports-async[cli]"\n')
        sys.exit(2)
    try:
        import_module(".cli._app", __package__).app(prog_name="reports-async")
    except KeyboardInterrupt:
        # Before the command was under way.
        sys.exit(130)


if __name__ == "__main__":
    main()
