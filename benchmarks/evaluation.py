"""Evaluation: what our runner, evidence and sandbox cost beside Inspect alone.

Everything that is compared runs in this process, in interleaved pairs, against
the reference model in a process of its own, so that only the side under test
is on the clock.
"""

from __future__ import annotations

import asyncio
import http.server
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks._harness import Measure, compare, figure, holds, unmeasured

OVERHEAD_GOAL = "<= 1.05"
THROUGHPUT_GOAL = ">= 0.6"
_KEY = "sk-benchmark"
_NAMES = (
    ("runner + evidence CPU per item", "Inspect alone, same sandbox and model", OVERHEAD_GOAL),
    ("runner + evidence wall per item", "Inspect alone, same sandbox and model", OVERHEAD_GOAL),
    ("items a second with three tool calls", "Inspect's local sandbox", THROUGHPUT_GOAL),
    ("sandbox start", "milliseconds", "<= 80"),
    ("sandbox exec", "milliseconds", "<= 12"),
)


def _cost() -> tuple[float, float]:
    """Return (CPU seconds of this process and its ended children, wall seconds)."""
    mine, theirs = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return mine.ru_utime + mine.ru_stime + theirs.ru_utime + theirs.ru_stime, time.monotonic()


def _cache() -> Path:
    return Path(os.environ.get("SLIPWAY_IMAGE_CACHE") or "/var/tmp/slipway-images")


class _Desk(http.server.BaseHTTPRequestHandler):
    """A desk that says yes, so that reporting over HTTP is on our side's bill."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        body = b'{"ref": "RUN-1", "record": "r"}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


class _Stand:
    """Reference model, desk, base image, and the two ways of working the same items."""

    def __init__(self, stack: ExitStack, items: int) -> None:
        from slipway.evaluation.sandbox import base_image
        from slipway.evaluation.suite import load

        self.base = base_image.ensure(_cache())
        self.suite = load("starter")
        self.items = [item.id for item in self.suite.items][:items]
        self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="slipway-bench-")))
        self.count = 0
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        model = Path(__file__).parents[1] / "examples" / "reference_model.py"
        command = [sys.executable, str(model), "--port", str(port), "--api-key", _KEY, "--skill", "12"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        stack.callback(process.wait)
        stack.callback(process.terminate)
        self.url = f"http://127.0.0.1:{port}"
        _answers(f"{self.url}/v1/models")
        desk = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Desk)
        threading.Thread(target=desk.serve_forever, daemon=True).start()
        stack.callback(desk.shutdown)
        self.desk = f"http://127.0.0.1:{desk.server_address[1]}"

    def context(self) -> Any:
        """Return a fresh run folder's context."""
        from slipway.evaluation import runner
        from slipway.evaluation.runner.shard import ShardJob, context_of

        self.count += 1
        folder = runner.RunFolder(self.folder / str(self.count)).create()
        plan = runner.plan(
            review="R-1", grant="G-1", model_alias="reference-model", epochs=1, items=tuple(self.items)
        )
        folder.write_json("plan.json", plan.to_json())
        job = ShardJob("b-0", str(folder.root), (), self.url, str(_cache()), self.base.digest, _KEY)
        return context_of(job)

    def ours(self) -> tuple[float, float]:
        """Work the items by our runner: journal, transcripts, watching, reporting, merging."""
        from slipway.evaluation import inspect_bridge, logs, runner

        context = self.context()
        reporter = runner.DeskReporter(self.desk, "t", "R-1", "bench")
        run = runner.Registration("RUN-1", "r")
        cpu, wall = _cost()
        done: list[Path] = []
        work = threading.Thread(
            target=lambda: done.append(
                inspect_bridge.run_attempts(context, [(item, 1) for item in self.items])
            )
        )
        work.start()
        told: set[str] = set()
        tail = runner.journal.Tail(context.folder)
        while work.is_alive():
            work.join(0.2)
            standing = tail.look()
            new = [e for (item, _), e in standing.items() if item not in told]
            if new:
                reporter.items(run, new)
                told |= {e["item"] for e in new}
        logs.merge(done, context.folder.root / "run.eval")
        spent = _cost()
        passed = sum(e["outcome"] == "pass" for e in runner.journal.latest(context.folder).values())
        if passed != len(self.items):
            raise RuntimeError(f"only {passed} of {len(self.items)} items were solved")
        return spent[0] - cpu, spent[1] - wall

    def theirs(self) -> tuple[float, float]:
        """Work the same items by Inspect alone: the same sandbox, tools and model, none of our runner."""
        from benchmarks._inspect_alone import run_alone

        cpu, wall = _cost()
        solved = run_alone(self)
        spent = _cost()
        if solved != len(self.items):
            raise RuntimeError(f"Inspect alone solved {solved} of {len(self.items)} items")
        return spent[0] - cpu, spent[1] - wall


def _answers(url: str) -> None:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {_KEY}"})
    for _ in range(200):
        try:
            urllib.request.urlopen(request, timeout=5).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("the reference model did not start")


def _both(stand: _Stand, pairs: int) -> Iterator[Measure]:
    """Measure CPU and wall in the same pairs."""
    walls: list[tuple[float, float]] = []
    last: dict[str, float] = {}

    def side(name: str, run: Callable[[], tuple[float, float]]) -> Callable[[], float]:
        def once() -> float:
            cpu, last[name] = run()
            if len(last) == 2:
                walls.append((last["ours"], last["theirs"]))
                last.clear()
            return cpu

        return once

    stand.ours()
    stand.theirs()
    name, versus, goal = _NAMES[0]
    yield compare(name, side("ours", stand.ours), versus, side("theirs", stand.theirs), goal, pairs)
    ratios = sorted(ours / theirs for ours, theirs in walls)
    name, versus, goal = _NAMES[1]
    middle = statistics.median(ratios)
    yield Measure(name, versus, middle, (ratios[0], ratios[-1]), goal, holds(middle, goal))


async def _sandbox_times(stand: _Stand, count: int) -> tuple[list[float], list[float]]:
    from slipway.evaluation.sandbox import Sandbox, SandboxConfig

    starts, execs = [], []
    for _ in range(count):
        begun = time.perf_counter()
        box = await Sandbox.start(SandboxConfig(), stand.base)
        starts.append(1000 * (time.perf_counter() - begun))
        for _ in range(3):
            begun = time.perf_counter()
            await box.exec(["true"])
            execs.append(1000 * (time.perf_counter() - begun))
        await box.stop()
    return starts, execs


def measures(quick: bool) -> Iterator[Measure]:
    """Yield the evaluation's measures; ``quick`` takes fewer pairs and items."""
    from slipway.evaluation.sandbox import tier

    missing = tier().missing
    if missing:
        for name, versus, goal in _NAMES:
            yield unmeasured(name, versus, goal, "no sandbox here: " + "; ".join(missing))
        return
    from benchmarks._inspect_alone import three_calls

    with ExitStack() as stack:
        stand = _Stand(stack, 8 if quick else 16)
        yield from _both(stand, 5 if quick else 9)
        count = 16 if quick else 40
        three_calls("slipway", stand, 4)
        three_calls("local", stand, 4)
        name, versus, goal = _NAMES[2]
        # Throughput of ours to theirs is the time of theirs to ours.
        yield compare(
            name,
            lambda: three_calls("local", stand, count),
            versus,
            lambda: three_calls("slipway", stand, count),
            goal,
            5 if quick else 9,
        )
        starts, execs = asyncio.run(_sandbox_times(stand, 15 if quick else 40))
        for (name, unit, goal), values in zip(_NAMES[3:], (starts, execs), strict=True):
            yield figure(name, values, unit, goal)
