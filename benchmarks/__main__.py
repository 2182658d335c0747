"""``./go bench [NAME…] [--quick]``: one JSON line a measure on stdout.

Each benchmark is a module of this folder with ``measures(quick)``, which
yields :class:`benchmarks._harness.Measure`. Exit code 0 when everything was
measured, whether or not a goal is missed; 1 when a benchmark broke.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
import traceback

NAMES = ("evidence", "gateway", "evaluation", "desk")
OPTIONAL = ("demo",)


def main() -> int:
    """Run the benchmarks named on the command line, all of them without names."""
    parser = argparse.ArgumentParser(prog="./go bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[*NAMES, *OPTIONAL, []])
    parser.add_argument("--quick", action="store_true", help="fewer pairs; ends within 5 minutes in total")
    options = parser.parse_args()
    broken = 0
    for name in options.names or NAMES:
        started = time.monotonic()
        print(f"bench: {name} …", file=sys.stderr, flush=True)
        try:
            module = importlib.import_module(f"benchmarks.{name}")
            for measure in module.measures(options.quick):
                print(measure.as_json(), flush=True)
        except Exception as error:
            # One broken benchmark must not hide the others; its line says that its goal is not shown.
            broken += 1
            traceback.print_exc()
            note = f"{type(error).__name__}: {error}"
            line = {"name": name, "versus": "", "ratio": None, "spread": None, "goal": "", "ok": False}
            print(json.dumps(line | {"note": note}), flush=True)
        print(f"bench: {name} took {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
