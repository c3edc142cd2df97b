"""One target under libFuzzer: `python -m tests.fuzz.by_coverage NAME [libFuzzer's own arguments]`."""

from __future__ import annotations

import sys
from importlib import import_module

instrument = import_module("atheris")  # installed for `make fuzz` alone

with instrument.instrument_imports(include=["app", "email"], enable_loader_override=False):
    from tests.fuzz.targets import TARGETS


def main() -> None:
    """Run until the arguments say stop, or there is a fault."""
    instrument.Setup([sys.argv[0], *sys.argv[2:]], TARGETS[sys.argv[1]])
    instrument.Fuzz()


if __name__ == "__main__":
    main()
