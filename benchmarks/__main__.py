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
from typing import Any

NAMES = ("evidence", "gateway", "evaluation", "desk")
OPTIONAL = ("demo",)


def main() -> int:
    """Run the benchmarks named on the command line, all of them without names."""
    parser = argparse.ArgumentParser(prog="./go bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[*NAMES, *OPTIONAL, []])
    parser.add_argument("--quick", action="store_true", help="fewer pairs; ends within 5 minutes in total")
    parser.add_argument("--table", action="store_true", help="end with a Markdown table on stderr")
    options = parser.parse_args()
    broken = 0
    lines: list[str] = []
    for name in options.names or NAMES:
        started = time.monotonic()
        print(f"bench: {name} …", file=sys.stderr, flush=True)
        try:
            module = importlib.import_module(f"benchmarks.{name}")
            for measure in module.measures(options.quick):
                lines.append(measure.as_json())
                print(lines[-1], flush=True)
        except Exception as error:
            # One broken benchmark must not hide the others; its line says that its goal is not shown.
            broken += 1
            traceback.print_exc()
            note = f"{type(error).__name__}: {error}"
            line = {"name": name, "versus": "", "ratio": None, "spread": None, "goal": "", "ok": False}
            print(json.dumps(line | {"note": note}), flush=True)
        print(f"bench: {name} took {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    if options.table:
        print("\n".join(markdown([json.loads(line) for line in lines])), file=sys.stderr)
    return 1 if broken else 0


def markdown(measures: list[dict[str, Any]]) -> list[str]:
    """Return the lines of a table, as docs/benchmarks.md holds it."""
    rows = ["| Measure | Against | Median | Spread | Goal | Holds | |", "|---|---|---|---|---|---|---|"]
    for m in measures:
        spread = f"{m['spread'][0]} – {m['spread'][1]}" if m["spread"] else ""
        holds = "yes" if m["ok"] else "**no**"
        cells = (m["name"], m["versus"], m["ratio"], spread, m["goal"], holds, m.get("note", ""))
        rows.append("| " + " | ".join("" if cell is None else str(cell) for cell in cells) + " |")
    return rows


if __name__ == "__main__":
    sys.exit(main())
