"""kill -9 at random moments: whatever was acknowledged is in the log, at its place, once.

This rig alone is blind to lost syncs (the page cache survives the process);
it sees wrong *order*: acknowledging before the commit, marking what the log
does not have, a lease that outlives its holder. The mutation check plants the
first of these and shows that the rig sees it.
"""

from __future__ import annotations

import os
import random
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

from slipway.base.results import Status
from slipway.evidence.fsck import examine
from slipway.evidence.merkle import leaf_hash
from tests.evidence.world import World

TRIALS = 8


def kill_once(folder: Path, rng: random.Random, fault: str = "") -> list[list[str]]:
    """Run the worker, kill it at a random moment, return what it had acknowledged."""
    command = [sys.executable, "-m", "tests.rigs.evidence_worker", str(folder), *([fault] if fault else [])]
    root = Path(__file__).parents[2]
    worker = subprocess.Popen(
        command, cwd=root, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": "src:."}
    )
    assert worker.stdout is not None
    data = b""
    try:
        while b"ready\n" not in data:
            assert select.select([worker.stdout], [], [], 60)[0], "the worker did not start"
            chunk = os.read(worker.stdout.fileno(), 65536)
            assert chunk, "the worker ended by itself"
            data += chunk
        # Killing right after an acknowledgement is what hurts most; killing at a random moment hits the rest.
        wait, wanted = rng.choice((0.0, rng.uniform(0.02, 0.25))), rng.randint(1, 30)
        while not wait and data.count(b"\n") <= wanted:
            assert select.select([worker.stdout], [], [], 60)[0], "the worker stopped acknowledging"
            data += os.read(worker.stdout.fileno(), 65536)
        time.sleep(wait)
    finally:
        worker.send_signal(signal.SIGKILL)
        rest, _ = worker.communicate()
    lines = (data + rest).decode().split("ready\n", 1)[1].splitlines(keepends=True)
    return [line.split() for line in lines if line.endswith("\n")]


def lost(folder: Path, acknowledged: list[list[str]]) -> int:
    """How many acknowledged records are not in the log where they were said to be."""
    world = World(folder)
    missing = 0
    for identity, index, *leaf in acknowledged:
        found = world.reader.find(identity)
        if found != int(index) or (leaf and leaf_hash(world.reader.entry(found)).hex() != leaf[0]):
            missing += 1
    world.close()
    return missing


def test_nothing_acknowledged_is_lost(tmp_path):
    rng, acknowledged = random.Random(20260620), []
    for _ in range(TRIALS):
        acknowledged += kill_once(tmp_path, rng)
        assert lost(tmp_path, acknowledged) == 0
    assert len(acknowledged) > TRIALS
    world = World(tmp_path)
    ledgers = {"desk": tmp_path / "desk.sqlite3"}
    checks = examine(world.store, world.journal.path, world.log_key.verifier, ledgers)
    assert [check for check in checks if check.status is not Status.PASS] == []
    # And the next sequencer takes over at once, finishing what was cut off.
    world.seal_all()
    assert world.source.counts()[0] == 0
    assert len(world.reader.review_entries(world_review())) == world.reader.size
    world.close()


def world_review() -> str:
    from tests.evidence.world import REVIEW

    return REVIEW


def test_mutation_acknowledging_before_the_commit_is_caught(tmp_path):
    rng = random.Random(7)
    for trial in range(40):
        folder = tmp_path / str(trial)
        folder.mkdir()
        if lost(folder, kill_once(folder, rng, "early")):
            return
    raise AssertionError("40 kills did not catch a worker that acknowledges too early: the rig is blind")
