"""map_shards: order kept, a killed worker loses its shard only, nothing is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from slipway.work import Done, Failed, Lost, NotStarted, ProcessExecutor, map_shards
from slipway.work.interface import ShardExecutor
from tests.work import shard_functions as fns

ROOT = Path(__file__).parents[2]


def alive(pid: int) -> bool:
    """Say whether a process exists and is not a zombie that waits for somebody else."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def until(condition: Callable[[], bool], what: str) -> None:
    for _ in range(2400):
        if condition():
            return
        time.sleep(0.025)
    pytest.fail(f"never happened: {what}")


def gone(note: Path) -> None:
    """Wait until none of the processes named in a file is there.

    All were killed before ``map_shards`` returned, but only its own children are
    waited for; the kernel ends their children a moment later.
    """
    pids = [int(pid) for pid in note.read_text().split()]
    until(lambda: not any(alive(pid) for pid in pids), f"{pids} have ended")


def children() -> set[int]:
    found = set()
    for task in Path("/proc/self/task").iterdir():
        found |= {int(pid) for pid in (task / "children").read_text().split()}
    return found


@pytest.fixture(autouse=True)
def nothing_left() -> object:
    before = children()
    yield
    assert children() - before == set()


def test_results_come_in_order_from_several_processes() -> None:
    shards = [(n, 0.3 if n == 0 else 0.0) for n in range(8)]
    found = map_shards(fns.slow_then_index, shards, 3)
    assert found == tuple(Done(n) for n in range(8))


def test_work_is_done_elsewhere_and_by_no_more_workers_than_asked() -> None:
    found = map_shards(fns.pid_of, range(10), 2)
    pids = {outcome.value[1] for outcome in found if isinstance(outcome, Done)}
    assert len(found) == 10 and os.getpid() not in pids
    assert 1 <= len(pids) <= 2


def test_a_killed_worker_loses_its_shard_and_no_other() -> None:
    found = map_shards(fns.die_by_kill_if_odd, range(7), 2)
    assert [type(outcome) for outcome in found] == [Done, Lost, Done, Lost, Done, Lost, Done]
    assert [o.value for o in found if isinstance(o, Done)] == [0, 2, 4, 6]
    assert all("SIGKILL" in o.reason for o in found if isinstance(o, Lost))


def test_a_worker_killed_from_outside(tmp_path: Path) -> None:
    note = tmp_path / "pids"
    outcomes: list[object] = []
    runner = threading.Thread(
        target=lambda: outcomes.extend(map_shards(fns.note_pids_and_hang, [str(note)], 1)), daemon=True
    )
    runner.start()
    until(note.exists, "the worker wrote its id")
    worker, grandchild = map(int, note.read_text().split())
    os.kill(worker, signal.SIGTERM)
    runner.join(60)
    assert outcomes == [Lost("the worker was killed by SIGTERM")]
    until(lambda: not alive(grandchild), "what the worker started is gone too")


@pytest.mark.parametrize(
    ("fn", "shard", "says"),
    [(fns.exit_with, 3, "exit code 3"), (fns.exit_with, 0, None), (fns.abort, 0, "SIGABRT")],
)
def test_other_ways_to_end(fn: Callable[[int], object], shard: int, says: str | None) -> None:
    (outcome,) = map_shards(fn, [shard], 1)
    if says is None:
        assert outcome == Done(0)
    else:
        assert isinstance(outcome, Lost) and says in outcome.reason


def test_a_child_that_keeps_the_socket_open_cannot_hide_its_workers_death(tmp_path: Path) -> None:
    note = tmp_path / "child"
    (outcome,) = map_shards(fns.die_with_forked_child_that_keeps_the_socket, [str(note)], 1)
    assert isinstance(outcome, Lost) and "SIGKILL" in outcome.reason
    child = int(note.read_text())
    until(lambda: not alive(child), "the forked child is gone")


def test_a_raise_is_told_with_its_traceback_and_the_worker_goes_on() -> None:
    found = map_shards(fns.fail_if_odd, range(4), 1)
    assert [type(outcome) for outcome in found] == [Done, Failed, Done, Failed]
    failed = found[1]
    assert isinstance(failed, Failed)
    assert failed.reason == "ValueError: 1 is odd"
    assert "fail_if_odd" in failed.trace


@pytest.mark.parametrize("fn", [fns.not_to_be_pickled, fns.unreadable_result])
def test_a_result_that_cannot_travel_is_a_failure(fn: Callable[[int], object]) -> None:
    found = map_shards(fn, [1, 2], 1)
    assert all(isinstance(outcome, Failed) and "the result cannot be" in outcome.reason for outcome in found)


def test_a_function_that_a_worker_cannot_import_is_a_failure_of_each_shard(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fns, "here_only", lambda n: n, raising=False)
    fns.here_only.__qualname__ = "here_only"  # type: ignore[attr-defined]
    fns.here_only.__module__ = fns.__name__  # type: ignore[attr-defined]
    found = map_shards(fns.here_only, [1, 2], 2)  # type: ignore[attr-defined]
    assert all(isinstance(o, Failed) and "cannot be loaded" in o.reason for o in found)
    assert len(found) == 2


def test_a_shard_out_of_time_is_lost_and_the_others_kept() -> None:
    found = map_shards(fns.slow_then_index, [(0, 0.0), (1, 600.0), (2, 0.0)], 2, seconds=8.0)
    assert found == (Done(0), Lost("took longer than 8 s"), Done(2))


def test_stop_ends_what_runs_and_starts_nothing_more(tmp_path: Path) -> None:
    stop, note = threading.Event(), tmp_path / "pids"

    def when_started() -> None:
        until(note.exists, "the worker wrote its id")
        stop.set()

    watcher = threading.Thread(target=when_started)
    watcher.start()
    found = map_shards(fns.note_pids_and_hang, [str(note), "b", "c"], 1, stop=stop)
    watcher.join()
    assert found == (Lost("stopped on request"), *[NotStarted("stopped on request")] * 2)
    gone(note)


def test_outcomes_are_told_as_they_come() -> None:
    told: list[tuple[int, object]] = []
    found = map_shards(fns.fail_if_odd, range(5), 2, on_outcome=lambda n, o: told.append((n, o)))
    assert sorted(n for n, _ in told) == [0, 1, 2, 3, 4]
    assert dict(told) == dict(enumerate(found))


def test_an_error_of_the_caller_leaves_no_process(tmp_path: Path) -> None:
    note = tmp_path / "pids"

    def boom(place: int, outcome: object) -> None:
        until(note.exists, "the other worker wrote its id")
        raise KeyError(place)

    with pytest.raises(KeyError):
        map_shards(_either, [("square", "3"), ("hang", str(note))], 2, on_outcome=boom)
    gone(note)


def _either(shard: tuple[str, str]) -> object:
    kind, value = shard
    return fns.square(int(value)) if kind == "square" else fns.note_pids_and_hang(value)


def test_large_shards_and_results_travel() -> None:
    size = 5_000_000
    assert map_shards(fns.large, [size] * 3, 2) == (Done(b"x" * size),) * 3
    assert map_shards(fns.length, [b"y" * size] * 3, 2) == (Done(size),) * 3


def test_the_environment_is_the_callers_or_the_one_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPWAY_TEST_WORD", "seen")
    assert map_shards(fns.environment, ["SLIPWAY_TEST_WORD"], 1) == (Done("seen"),)
    names = ["SLIPWAY_TEST_WORD", "OTHER", "PYTHONPATH"]
    found = map_shards(fns.environment, names, 1, env={"OTHER": "given"})
    assert found == (Done(None), Done("given"), Done(None))


def test_no_shards_need_no_workers() -> None:
    assert map_shards(fns.square, [], 4) == ()
    with pytest.raises(ValueError, match="at least 1"):
        map_shards(fns.square, [1], 0)


def test_it_is_an_executor() -> None:
    executor: ShardExecutor = ProcessExecutor(1)
    assert executor.map_shards(fns.square, [2, 3]) == (Done(4), Done(9))


CALLER = """
import sys
sys.path[:0] = {path!r}
from slipway.work import map_shards
from tests.work import shard_functions as fns
if {hang}:
    map_shards(fns.note_pids_and_hang, [{note!r}], 1)
else:
    print(map_shards(fns.prints, [1, 2], 1))
"""


def caller(hang: bool, note: Path) -> subprocess.Popen[str]:
    code = CALLER.format(path=[str(ROOT), str(ROOT / "src")], hang=hang, note=str(note))
    return subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_workers_do_not_outlive_a_killed_caller(tmp_path: Path, how: signal.Signals) -> None:
    note = tmp_path / "pids"
    process = caller(True, note)
    try:
        until(note.exists, "the worker wrote its id")
        worker, grandchild = map(int, note.read_text().split())
        process.send_signal(how)
        process.communicate(timeout=60)
        until(lambda: not alive(worker), "the worker is gone")
        until(lambda: not alive(grandchild), "what it started is gone")
    finally:
        process.kill()
        process.wait()
        if note.exists():
            for pid in note.read_text().split():
                if alive(int(pid)):
                    os.kill(int(pid), signal.SIGKILL)


def test_what_a_worker_prints_stays_out_of_the_callers_output(tmp_path: Path) -> None:
    process = caller(False, tmp_path / "unused")
    out, err = process.communicate(timeout=120)
    assert out == "(Done(value=1), Done(value=2))\n"
    assert err.count("noise on standard output") == 2
