"""``map_shards``: one function over many shards, in processes that can be killed one at a time.

Why not ``concurrent.futures``: one killed worker breaks its whole pool and
every shard in it. Why not ``multiprocessing``'s spawn: it starts a tracker
process that stays, and runs the caller's main module again. Here a worker is a
fresh interpreter with one socket; when it ends without an answer, exactly the
shard that it held is lost, the reason is told, and another worker takes its
place.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe, wait
from typing import Any, TypeVar

from slipway.work.interface import Done, Failed, Lost, NotStarted, OnOutcome, Outcome

S = TypeVar("S")
R = TypeVar("R")

_POLL_SECONDS = 0.1
_GRACE_SECONDS = 2.0
# The path goes by the command and not by PYTHONPATH, which the worker's own children would inherit.
_COMMAND = "import sys; sys.path[:] = {path!r}; from slipway.work._worker import main; main({fd}, {parent})"


def map_shards(
    fn: Callable[[S], R],
    shards: Sequence[S],
    workers: int,
    *,
    on_outcome: OnOutcome[R] | None = None,
    stop: threading.Event | None = None,
    seconds: float | None = None,
    env: Mapping[str, str] | None = None,
) -> tuple[Outcome[R], ...]:
    """Run ``fn`` on every shard in at most ``workers`` processes; outcomes come in the order of ``shards``.

    ``fn`` must be importable by its module and name; shards and results must be
    picklable. ``on_outcome`` is told in this thread as each shard ends. ``stop``
    ends the work early, ``seconds`` bounds each shard, ``env`` replaces the
    workers' environment. Never leaves a process behind, whatever it raises.
    """
    return ProcessExecutor(workers, env=env).map_shards(
        fn, shards, on_outcome=on_outcome, stop=stop, seconds=seconds
    )


@dataclass(frozen=True, slots=True)
class ProcessExecutor:
    """Runs shards in ``workers`` processes of this machine. See :func:`map_shards`."""

    workers: int
    env: Mapping[str, str] | None = None

    def map_shards(
        self,
        fn: Callable[[S], R],
        shards: Sequence[S],
        *,
        on_outcome: OnOutcome[R] | None = None,
        stop: threading.Event | None = None,
        seconds: float | None = None,
    ) -> tuple[Outcome[R], ...]:
        """Return one outcome a shard, in the order of ``shards``."""
        if self.workers < 1:
            raise ValueError(f"workers must be at least 1, not {self.workers}")
        pool = _Pool(
            fn=pickle.dumps(fn),
            shards=[pickle.dumps(shard, protocol=pickle.HIGHEST_PROTOCOL) for shard in shards],
            most=min(self.workers, len(shards)),
            env=self.env,
            seconds=seconds,
            tell=on_outcome,
        )
        try:
            return pool.run(stop or threading.Event())
        finally:
            pool.close()


@dataclass(slots=True)
class _Worker:
    process: subprocess.Popen[bytes]
    pipe: Connection[Any, Any]
    place: int | None = None
    deadline: float = float("inf")


@dataclass(slots=True)
class _Pool:
    fn: bytes
    shards: list[bytes]
    most: int
    env: Mapping[str, str] | None
    seconds: float | None
    tell: Callable[[int, Any], None] | None
    workers: list[_Worker] = field(default_factory=list)
    outcomes: dict[int, Any] = field(default_factory=dict)

    def run(self, stop: threading.Event) -> tuple[Any, ...]:
        waiting = deque(range(len(self.shards)))
        while len(self.outcomes) < len(self.shards):
            if stop.is_set():
                self._stop(waiting)
                break
            self._feed(waiting)
            for ready in wait([w.pipe for w in self.workers if w.place is not None], _POLL_SECONDS):
                self._receive(next(w for w in self.workers if w.pipe is ready))
            self._look()
        return tuple(self.outcomes[place] for place in range(len(self.shards)))

    def close(self) -> None:
        """End every worker: ask by closing its pipe, then kill its whole process group."""
        for worker in self.workers:
            worker.pipe.close()
        end = time.monotonic() + _GRACE_SECONDS
        for worker in self.workers:
            _reap(worker.process, 0.0 if worker.place is not None else end - time.monotonic())
        self.workers.clear()

    def _feed(self, waiting: deque[int]) -> None:
        """Give each idle worker a shard; start workers while there are shards and room."""
        while waiting:
            worker = next((w for w in self.workers if w.place is None), None)
            if worker is None:
                if len(self.workers) >= self.most:
                    return
                worker = self._start()
            place = waiting.popleft()
            worker.place = place
            worker.deadline = float("inf") if self.seconds is None else time.monotonic() + self.seconds
            try:
                worker.pipe.send_bytes(self.shards[place])
            except OSError:
                self._gone(worker)

    def _start(self) -> _Worker:
        ours, theirs = Pipe()
        try:
            command = _COMMAND.format(path=sys.path, fd=theirs.fileno(), parent=os.getpid())
            process = subprocess.Popen(
                [sys.executable, "-c", command],
                stdin=subprocess.DEVNULL,
                stdout=2,  # a print in a worker must not end up in the caller's --json
                env=None if self.env is None else dict(self.env),
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        worker = _Worker(process, ours)
        self.workers.append(worker)
        # When it is gone already, the shard that it gets next is lost with the reason.
        with contextlib.suppress(OSError):
            ours.send_bytes(self.fn)
        return worker

    def _receive(self, worker: _Worker) -> None:
        try:
            answer = pickle.loads(worker.pipe.recv_bytes())  # noqa: S301  (from our own worker)
        except (EOFError, OSError):
            self._gone(worker)
            return
        except Exception as error:
            answer = ("failed", f"the result cannot be read: {error}", "")
        self._settle(worker, Done(answer[1]) if answer[0] == "done" else Failed(answer[1], answer[2]))
        worker.place = None
        worker.deadline = float("inf")

    def _gone(self, worker: _Worker, reason: str | None = None) -> None:
        """Take a worker that ended (or is ended now) out, and mark its shard lost."""
        code = _reap(worker.process, _GRACE_SECONDS if reason is None else 0.0)
        worker.pipe.close()
        self.workers.remove(worker)
        self._settle(worker, Lost(reason or _why(code)))

    def _look(self) -> None:
        """Find workers that are out of time, or that ended while a child of theirs holds the socket open."""
        now = time.monotonic()
        for worker in [w for w in self.workers if w.place is not None]:
            if worker.deadline <= now:
                self._gone(worker, f"took longer than {self.seconds:g} s")
            elif _ended(worker.process) and not worker.pipe.poll():
                self._gone(worker)

    def _stop(self, waiting: deque[int]) -> None:
        for worker in [w for w in self.workers if w.place is not None]:
            self._gone(worker, "stopped on request")
        for place in waiting:
            self._note(place, NotStarted("stopped on request"))

    def _settle(self, worker: _Worker, outcome: Any) -> None:
        if worker.place is not None:
            self._note(worker.place, outcome)

    def _note(self, place: int, outcome: Any) -> None:
        self.outcomes[place] = outcome
        if self.tell is not None:
            self.tell(place, outcome)


def _ended(process: subprocess.Popen[bytes]) -> bool:
    """Say whether the worker has ended, without reaping it: its id stays its own until then."""
    if process.returncode is not None:
        return True
    found = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    return found is not None


def _reap(process: subprocess.Popen[bytes], grace: float) -> int:
    """Wait up to ``grace`` seconds for the worker, kill its whole group, return its exit code.

    The group is killed *before* the worker is reaped: as long as it is not, no
    other process can have got its id.
    """
    end = time.monotonic() + grace
    while not _ended(process) and time.monotonic() < end:
        time.sleep(0.005)
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    return process.wait()


def _why(code: int) -> str:
    if code >= 0:
        return f"the worker ended with exit code {code} before it answered"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    hint = "; the kernel does that when memory runs out" if -code == signal.SIGKILL else ""
    return f"the worker was killed by {name}{hint}"
