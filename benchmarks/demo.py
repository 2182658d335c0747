"""Wall time of the main job: `slipway demo --exit` on a new site, base image and all."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks._harness import Measure, figure, unmeasured

GOAL = "<= 180"
NAME = "demo wall time"


def _seconds(epochs: int) -> float:
    with tempfile.TemporaryDirectory(prefix="slipway-bench-demo-") as folder:
        command = [
            sys.executable, "-m", "slipway", "demo", "--exit", "--json", "--data", str(Path(folder) / "site"),
            "--desk-port", "0", "--gateway-port", "0", "--epochs", str(epochs),
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    if done.returncode:
        raise RuntimeError(done.stderr[-500:])
    return float(json.loads(done.stdout)["seconds"]["total"])


def measures(quick: bool) -> Iterator[Measure]:
    """Yield the seconds of whole demos; once with ``quick``, else the median of three."""
    if sys.platform != "linux":
        yield unmeasured(NAME, "seconds", GOAL, "sandboxes need Linux")
        return
    yield figure(NAME, [_seconds(5) for _ in range(1 if quick else 3)], "seconds", GOAL)
