"""Starts many sandboxes, kills some in every way there is, and counts what is left behind.

Not part of the suite; run by hand as root::

    python tests/rigs/sandbox_endurance.py [--samples 1000] [--at-once 6] [--images DIR]

Prints one JSON line: start and exec medians in milliseconds, samples per second, and what is left
(processes, mounts, cgroups, directories). Ends with 1 when anything is.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import statistics
import sys
import time
from pathlib import Path

from slipway.evaluation.sandbox import BaseImage, Sandbox, SandboxConfig, base_image
from slipway.evaluation.sandbox.cgroups import PARENT, find_hierarchies
from slipway.evaluation.sandbox.slots import FIRST_UID, SLOTS, STATE, UIDS


def traces(mine: set[str]) -> dict[str, int]:
    """Count what the sandboxes named in ``mine`` left on this machine."""
    uids = {FIRST_UID + int(name[1:]) * UIDS for name in mine}
    processes = 0
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                owner = entry.stat().st_uid
                arguments = (entry / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            ours = FIRST_UID <= owner < FIRST_UID + SLOTS * UIDS and (owner - owner % UIDS) in uids
            processes += ours or any(f"{STATE}/{name}" in arguments.split("\0") for name in mine)
    mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8")
    folders = [root / PARENT / name for root in find_hierarchies().roots for name in mine]
    states = [path for path in STATE.iterdir() if path.name.removesuffix(".lock") in mine]
    return {
        "processes": processes,
        "mounts": sum(f"{STATE}/{name}" in mounts for name in mine),
        "cgroups": sum(folder.exists() for folder in folders),
        "directories": len(states),
    }


async def sample(
    number: int, image: BaseImage, starts: list[float], execs: list[float], names: set[str]
) -> None:
    """Run one sample, ended in one of four ways."""
    began = time.perf_counter()
    box = await Sandbox.start(SandboxConfig(pids=64, memory_mb=128), image)
    starts.append(time.perf_counter() - began)
    names.add(box.name)
    for _ in range(3):
        began = time.perf_counter()
        await box.exec(["true"])
        execs.append(time.perf_counter() - began)
    await box.exec(["sh", "-c", "sleep 600 >/dev/null 2>&1 & echo x >/tmp/x"])
    kind = number % 4
    if kind == 1 and box._holder is not None:
        box._holder.kill()
    elif kind == 2:
        with contextlib.suppress(TimeoutError):
            await box.exec(["sh", "-c", "while :; do sleep 600 & done"], timeout=0.2)
    elif kind == 3:
        running = asyncio.create_task(box.exec(["sleep", "600"]))
        await asyncio.sleep(0.02)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    await box.stop()


async def measure(samples: int, at_once: int, image: BaseImage) -> bool:
    """Measure one at a time, then run the crowd, then look around."""
    starts: list[float] = []
    execs: list[float] = []
    names: set[str] = set()
    for _ in range(30):
        await sample(0, image, starts, execs, names)
    alone = {"start_ms": statistics.median(starts) * 1000, "exec_ms": statistics.median(execs) * 1000}
    gate = asyncio.Semaphore(at_once)

    async def bounded(number: int) -> None:
        async with gate:
            await sample(number, image, [], [], names)

    began = time.perf_counter()
    await asyncio.gather(*(bounded(number) for number in range(samples)))
    rate = samples / (time.perf_counter() - began)
    left = traces(names)
    for _ in range(100):  # the dead are counted until whoever adopted them has reaped them
        if not any(left.values()):
            break
        await asyncio.sleep(0.1)
        left = traces(names)
    told = {**alone, "samples": samples, "samples_per_second": rate, "left": left}
    print(
        json.dumps(
            {key: round(value, 2) if isinstance(value, float) else value for key, value in told.items()}
        )
    )
    return not any(left.values())


def main() -> int:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--at-once", type=int, default=6)
    parser.add_argument("--images", type=Path, default=Path("/var/tmp/slipway-images"))
    chosen = parser.parse_args()
    image = base_image.ensure(chosen.images)
    return 0 if asyncio.run(measure(chosen.samples, chosen.at_once, image)) else 1


if __name__ == "__main__":
    sys.exit(main())
