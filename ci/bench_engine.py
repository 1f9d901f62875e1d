"""``clipbounds bench engine`` where the command is not at hand: ``python ci/bench_engine.py [OPTIONS]``."""

from __future__ import annotations

import sys

from harness.cli import main

if __name__ == "__main__":
    sys.exit(main(["bench", "engine", *sys.argv[1:]]))
