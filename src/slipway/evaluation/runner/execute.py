"""A run from plan to report: contained, registered, executed in shards, watched, merged, reported.

Order matters. Containment is shown and the plan stands in the evidence log
before the first call to the model; an attempt is in the journal before the desk
hears of it; the desk hears of the end last. A run that was killed anywhere in
between is taken up by :func:`resume`, which runs only what was in flight.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slipway.base.clock import SystemClock, format_instant
from slipway.base.errors import InvalidInput, Problem, Refused, SlipwayError, Unavailable
from slipway.evaluation import integrity, logs
from slipway.evaluation.runner import closing, egress, gateway, journal
from slipway.evaluation.runner.interface import Progress, ProgressSink, Registration, Reporter
from slipway.evaluation.runner.journal import RunFolder
from slipway.evaluation.runner.planning import Plan
from slipway.evaluation.runner.shard import ShardJob, environment, run_shard, split
from slipway.evaluation.stats import Summary, fill_missing, summarise
from slipway.evaluation.suite import load
from slipway.work.interface import Done
from slipway.work.shards import map_shards

_POLL_SECONDS = 0.2
_ROUNDS = 3
Preflight = Callable[[Path], tuple[Mapping[str, Any], str]]
"""Shows containment on the base image below a folder; returns the report and the image's digest."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended. ``desk`` is the desk's own view of it."""

    ref: str
    status: str
    reason: str
    summary: Summary
    log: Path | None
    folder: Path
    desk: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the result for ``--json``."""
        return {
            "ref": self.ref,
            "status": self.status,
            "reason": self.reason,
            "log": str(self.log) if self.log else None,
            "folder": str(self.folder),
            "summary": self.summary.as_dict(),
        }


def run(
    plan: Plan,
    reporter: Reporter,
    *,
    gateway_url: str,
    key: str,
    run_dir: Path,
    images: Path,
    progress: ProgressSink | None = None,
    connection: Mapping[str, str] | None = None,
    preflight: Preflight | None = None,
) -> RunResult:
    """Start a run in a new folder.

    ``connection`` (addresses and names of variables, no secrets) is kept for a
    resume. Raises Refused where containment was not shown or the desk or the
    gateway refuses, Unavailable where one of them does not answer, InvalidInput
    where the folder already holds a run.
    """
    folder = RunFolder(run_dir.resolve())
    if (folder.root / "plan.json").exists():
        fix = f"use another folder, or `slipway run resume {run_dir}`"
        raise InvalidInput([Problem("run_dir", f"{run_dir} already holds a run", fix)], what="run")
    folder.create()
    folder.secret()
    folder.write_json("state.json", {"connection": dict(connection or {})})
    folder.write_json("plan.json", plan.to_json())
    runner = _Runner(folder, plan, reporter, gateway_url, key, images, progress or _silent)
    return runner.drive(preflight or show_containment)


def resume(
    run_dir: Path,
    reporter: Reporter,
    *,
    gateway_url: str,
    key: str,
    images: Path,
    progress: ProgressSink | None = None,
    preflight: Preflight | None = None,
) -> RunResult:
    """Take up a run: attempts that stand in the journal with a verdict are kept, all others run."""
    folder = journal.open_folder(run_dir)
    saved = folder.read_json("plan.json")
    assert saved is not None
    plan = Plan.from_json(saved)
    suite = load(plan.suite_source)
    if suite.digest != plan.suite["digest"]:
        raise Refused(
            f"suite {suite.name} has changed since the run was registered; bring back the version "
            f"with digest {plan.suite['digest']}",
            code="suite.changed",
        )
    state = folder.read_json("state.json") or {}
    if state.get("told") == "complete":
        ref = state["ref"]
        raise Refused(
            f"{ref} is complete and the desk has it; there is nothing to resume, see: slipway run show {ref}",
            code="run.complete",
        )
    runner = _Runner(folder, plan, reporter, gateway_url, key, images, progress or _silent)
    return runner.drive(preflight or show_containment)


def connection_of(run_dir: Path) -> dict[str, str]:
    """Return what :func:`run` was given as ``connection``."""
    state = journal.open_folder(run_dir).read_json("state.json") or {}
    return dict(state.get("connection") or {})


def show_containment(images: Path) -> tuple[Mapping[str, Any], str]:
    """Run the containment pre-flight on this machine; returns its report and the base image's digest."""
    from slipway.evaluation.containment import preflight
    from slipway.evaluation.sandbox import SandboxConfig, base_image

    base = base_image.ensure(images)
    return preflight(SandboxConfig(), base).as_dict(), base.digest


def summary_of(folder: RunFolder, plan: Plan, reason: str = "not run") -> Summary:
    """Return the statistics of what stands in the journal."""
    return summarise(fill_missing(journal.outcomes(folder), plan.items, plan.epochs, reason))


def _silent(_: Progress) -> None:
    return


@contextmanager
def _alone(folder: RunFolder) -> Iterator[None]:
    """Hold the run folder: two runners in one folder would run every attempt twice."""
    fd = os.open(folder.root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused(f"another runner works in {folder.root}", code="run.busy") from None
        yield
    finally:
        os.close(fd)


@dataclass
class _Runner:
    """One run of the steps. ``told`` is what the desk has confirmed in this process."""

    folder: RunFolder
    plan: Plan
    reporter: Reporter
    gateway_url: str
    key: str = field(repr=False)
    images: Path
    progress: ProgressSink
    told: dict[tuple[str, int], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._tail = journal.Tail(self.folder)

    def drive(self, preflight: Preflight) -> RunResult:
        """Go through all steps; see the module's text for their order."""
        with _alone(self.folder):
            # First, because a dead key shows at once and the containment pre-flight takes seconds.
            identity: dict[str, Any] = {"start": self._models()}
            self.folder.clear_stop()
            self.progress(Progress("prepare", "showing containment"))
            containment, image = preflight(self.images)
            self.folder.write_json("containment.json", containment)
            if containment.get("passed") is not True:
                raise closing.not_contained(containment)
            if int(containment.get("tier", 0)) < int(self.plan.sandbox.get("min_tier", 0)):
                raise Refused(
                    f"the suite wants isolation of tier {self.plan.sandbox['min_tier']}, this machine shows "
                    f"{containment.get('tier')}",
                    code="run.tier",
                )
            self.progress(Progress("register", "registering the plan with the desk"))
            registration = self._register()
            self.progress(Progress("start", f"{registration.ref} stands in the evidence log"))
            self._start(registration, containment)
            begun = self._begun()
            self._execute(registration, image)
            return self._finish(registration, containment, identity, begun)

    def _models(self) -> list[str]:
        """Return what the gateway serves for this key; the plan's model must be among it."""
        named = gateway.models(self.gateway_url, self.key)
        if self.plan.model_alias not in named:
            problem = Problem(
                "model_alias",
                f"the gateway knows no model {self.plan.model_alias!r} for this key",
                f"use one of: {', '.join(named) or 'none'}",
            )
            raise InvalidInput([problem], what="run")
        return named

    def _register(self) -> Registration:
        state = self.folder.read_json("state.json") or {}
        if "ref" in state:
            registration = Registration(state["ref"], state["record"])
        else:
            registration = self.reporter.register(self.plan)
            self.folder.write_json(
                "state.json", {**state, "ref": registration.ref, "record": registration.record}
            )
        self.reporter.wait_sealed(registration)
        return registration

    def _start(self, registration: Registration, containment: Mapping[str, Any]) -> None:
        try:
            self.reporter.start(registration, containment)
        except Refused as refusal:
            # A runner that was killed left the run open at the desk: it goes on where it was.
            if refusal.code != "run.started":
                raise

    def _begun(self) -> str:
        state = self.folder.read_json("state.json") or {}
        begun = str(state.get("started_at") or format_instant(SystemClock().now()))
        self.folder.write_json("state.json", {**state, "started_at": begun})
        return begun

    # --- the attempts ---

    def _execute(self, registration: Registration, image: str) -> None:
        """Run what has no verdict yet; shards that break are started again for what they left."""
        tried: set[tuple[str, int]] = set()
        for turn in range(_ROUNDS):
            standing = journal.latest(self.folder)
            wanted = [
                (item, epoch)
                for item, _, _ in self.plan.items
                for epoch in range(1, self.plan.epochs + 1)
                if standing.get((item, epoch), {"outcome": "missing"})["outcome"] == "missing"
                and (turn == 0 or ((item, epoch) in tried and (item, epoch) not in standing))
            ]
            self._look(registration)
            if not wanted or (turn and self.folder.stopped()):
                return
            tried |= set(wanted)
            broken = self._shards(registration, wanted, image)
            if not broken:
                return
        self.folder.stop("harness.shard", f"shard processes broke {_ROUNDS} times: {broken[0]}"[:500])

    def _shards(self, registration: Registration, wanted: list[tuple[str, int]], image: str) -> list[str]:
        """Run attempts in shard processes and watch their journals; returns what broke."""
        mark = time.time_ns() // 1_000_000
        folder = str(self.folder.root)
        jobs = [
            ShardJob(f"{mark}-{n}", folder, part, self.gateway_url, str(self.images), image, self.key)
            for n, part in enumerate(split(wanted, self.plan.workers))
        ]
        broken: list[str] = []

        def work() -> None:
            # This thread must outlive the workers: the kernel ends them with the thread that made them.
            outcomes = map_shards(run_shard, jobs, self.plan.workers, env=environment(self.folder))
            broken.extend(outcome.reason for outcome in outcomes if not isinstance(outcome, Done))

        thread = threading.Thread(target=work, name="slipway-shards")
        thread.start()
        try:
            while thread.is_alive():
                thread.join(_POLL_SECONDS)
                self._look(registration)
        except BaseException:
            self.folder.stop("run.interrupted", "the runner was interrupted")
            thread.join()
            raise
        self._look(registration)
        return broken

    def _look(self, registration: Registration) -> None:
        """Tell desk and person what is new in the journal. A desk that is away is told at the end."""
        standing = self._tail.look()
        passed = sum(e["outcome"] == "pass" for e in standing.values())
        missing = sum(e["outcome"] == "missing" for e in standing.values())
        message = f"{registration.ref}: working the items"
        self.progress(Progress("run", message, len(standing), self.plan.attempts, passed, missing))
        new = [e for k, e in standing.items() if self.told.get(k) != e["outcome"]]
        if not new:
            return
        try:
            self.reporter.items(registration, [closing.item(e) for e in new])
        except Unavailable as error:
            self.progress(
                Progress("run", f"the desk is away: {error.message}", len(standing), self.plan.attempts)
            )
            return
        self.told.update(((e["item"], e["epoch"]), e["outcome"]) for e in new)

    # --- the end ---

    def _finish(
        self,
        registration: Registration,
        containment: Mapping[str, Any],
        identity: dict[str, Any],
        begun: str,
    ) -> RunResult:
        """Merge the logs, make the closing checks and tell the desk how it ended."""
        self.progress(Progress("merge", "merging logs"))
        why = self.folder.stopped()
        standing = journal.latest(self.folder)
        log = closing.merge(self.folder, standing)
        summary = summary_of(self.folder, self.plan, f"{why['code']}: {why['reason']}" if why else "not run")
        try:
            identity["end"] = gateway.models(self.gateway_url, self.key)
        except SlipwayError as error:
            identity["end_unknown"] = f"{error.code}: {error.message}"
        measured = egress.record(self.folder, self.plan, containment)
        outcome = {
            "status": "complete" if summary.complete else "incomplete",
            "reason": closing.reason(why, summary),
            "log_digest": logs.digest(log) if log else logs.EMPTY_DIGEST,
            "started_at": begun,
            "ended_at": format_instant(SystemClock().now()),
            "identity": identity,
            "egress": measured,
            **self._notes(standing, containment, identity, measured),
        }
        self.folder.write_json("finish.json", outcome)
        self.progress(Progress("finish", "telling the desk"))
        untold = [closing.item(e) for k, e in standing.items() if self.told.get(k) != e["outcome"]]
        if untold:
            self.reporter.items(registration, untold)
        desk = self.reporter.finish(registration, outcome)
        status, reason = str(outcome["status"]), str(outcome["reason"])
        # Only now: a run whose end the desk has not heard is taken up again to tell it.
        self.folder.write_json("state.json", {**(self.folder.read_json("state.json") or {}), "told": status})
        self.progress(
            Progress("finish", status, summary.scored, summary.planned, summary.passes, summary.missing)
        )
        return RunResult(registration.ref, status, reason, summary, log, self.folder.root, desk)

    def _notes(
        self,
        standing: Mapping[tuple[str, int], Mapping[str, Any]],
        containment: Mapping[str, Any],
        identity: Mapping[str, Any],
        measured: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Return the integrity checks and what the report says about the suite."""
        suite = load(self.plan.suite_source)
        checks = integrity.check(
            suite,
            self.folder.transcripts,
            list(standing.values()),
            secret=self.folder.secret(),
            seed=self.plan.seed,
            containment=containment,
            identity=identity,
        )
        return {
            "integrity": [check.as_dict() for check in (*checks, egress.check(measured))],
            "suite_notes": {
                "watermark": suite.watermark,
                "threat_model": suite.threat_model,
                "steps": [{"id": s.id, "title": s.title, "domain": str(s.domain)} for s in suite.steps],
            },
        }
