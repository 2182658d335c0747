"""What one shard process knows, and one attempt in it. Pure: Inspect is driven by the bridge."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from slipway.base.clock import SystemClock, format_instant
from slipway.base.errors import SlipwayError
from slipway.evaluation.runner.endpoint import AttemptLost, Failure, Fate
from slipway.evaluation.runner.journal import Journal, RunFolder
from slipway.evaluation.suite import Budgets, Instance, Item, Suite, derive_instance


@dataclass
class ShardContext:
    """Everything an attempt needs. ``key`` and ``secret`` are never written anywhere."""

    suite: Suite
    folder: RunFolder
    journal: Journal
    gateway_url: str
    model_alias: str
    images: Path
    image_digest: str
    budgets: Budgets
    request_seconds: int
    retries: int
    give_up_after: int
    tool_seconds: int
    max_output_tokens: int
    samples_at_once: int
    seed: int
    stream: bool
    key: str = field(repr=False)
    secret: bytes = field(repr=False)
    lost_in_a_row: int = 0
    journaled: set[tuple[str, int]] = field(default_factory=set)

    def check_stopped(self) -> None:
        """Raise AttemptLost once the run must not go on."""
        why = self.folder.stopped()
        if why is not None:
            raise AttemptLost(f"{why['code']}: not run, the run stopped: {why['reason']}", code=why["code"])

    def answered(self) -> None:
        """Note that the endpoint answered."""
        self.lost_in_a_row = 0

    def lost(self, failure: Failure) -> AttemptLost:
        """Note a lost attempt; stops the run where no other could fare better. Returns what to raise."""
        self.lost_in_a_row += 1
        if failure.fate is Fate.STOP:
            self.folder.stop(failure.code, failure.reason)
        elif self.lost_in_a_row >= self.give_up_after:
            self.folder.stop(
                failure.code, f"{self.lost_in_a_row} attempts in a row were lost: {failure.reason}"
            )
        return AttemptLost(failure.text, code=failure.code)


@dataclass
class Attempt:
    """One attempt while it runs. ``waited`` seconds (rate limits) do not count against its budget."""

    item: Item
    instance: Instance
    started: datetime
    began: float
    waited: float = 0.0
    turns: int = 0
    tokens: int = 0
    answer: str = ""
    ending: str = ""

    @property
    def seconds(self) -> float:
        """Seconds used so far, without waiting for rate limits."""
        return time.monotonic() - self.began - self.waited

    def header(self, outcome: str, reason: str) -> dict[str, Any]:
        """Return the head of the transcript."""
        return {
            "v": 1,
            **self.entry(outcome, reason),
            "reference": self.instance.reference,
            "answer": self.answer,
            "started_at": format_instant(self.started),
        }

    def entry(self, outcome: str, reason: str) -> dict[str, Any]:
        """Return the journal line (without the transcript's digest)."""
        return {
            "item": self.item.id,
            "family": self.item.family,
            "domain": str(self.item.domain),
            "epoch": self.instance.epoch,
            "outcome": outcome,
            "reason": reason,
            "tokens": self.tokens,
            "turns": self.turns,
            "seconds": f"{self.seconds:.3f}",
            "at": format_instant(SystemClock().now()),
        }


def begin(context: ShardContext, item: str, epoch: int) -> Attempt:
    """Return a fresh attempt with its instance."""
    instance = derive_instance(context.secret, context.seed, context.suite.digest, item, epoch)
    context.journaled.add((item, epoch))
    return Attempt(context.suite.item(item), instance, SystemClock().now(), time.monotonic())


def reason_of(error: BaseException) -> str:
    """Return why an attempt is missing, with a stable code in front."""
    if isinstance(error, AttemptLost):
        return error.message
    if isinstance(error, SlipwayError):
        return f"{error.code}: {error.message}"
    return f"harness.{type(error).__name__}: {error}"[:500]


def note_unjournaled(context: ShardContext, key: tuple[str, int], message: str) -> None:
    """Journal an attempt that ended before its agent began (its sandbox did not start)."""
    if key in context.journaled:
        return
    item = context.suite.item(key[0])
    entry: Mapping[str, Any] = {
        "item": item.id,
        "family": item.family,
        "domain": str(item.domain),
        "epoch": key[1],
        "outcome": "missing",
        "reason": f"harness.start: {message}"[:500],
        "tokens": 0,
        "turns": 0,
        "seconds": "0.000",
        "at": format_instant(SystemClock().now()),
    }
    context.journal.add(entry, b"{}")
