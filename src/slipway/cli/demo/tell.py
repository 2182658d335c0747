"""What the demo says: each step with its receipt, the address to look at and the seconds it took."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Step:
    """One step while it is told."""

    title: str
    receipts: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    look: str = ""


class Teller:
    """Prints the story as it happens and keeps the seconds of each step.

    With ``--json`` stdout is kept for the one object at the end, so the story
    goes to stderr.
    """

    def __init__(self, *, as_json: bool) -> None:
        self._out = sys.stderr if as_json else sys.stdout
        self._started = time.monotonic()
        self._number = 0
        self.seconds: dict[str, float] = {}

    def line(self, text: str = "") -> None:
        """Print one line of the story."""
        print(text, file=self._out, flush=True)

    def command(self, words: list[str], who: str) -> None:
        """Print the command that is about to be run, as it could be typed."""
        self.line(
            f"     $ slipway {' '.join(_quoted(word) for word in words)}" + (f"    # {who}" if who else "")
        )

    @contextmanager
    def step(self, key: str, title: str) -> Iterator[Step]:
        """Tell one step; its seconds are kept under ``key``."""
        self._number += 1
        self.line(f"{self._number:2}. {title}")
        step = Step(title)
        started = time.monotonic()
        yield step
        taken = time.monotonic() - started
        self.seconds[key] = round(taken, 2)
        for note in step.notes:
            self.line(f"     {note}")
        for receipt in step.receipts:
            self.line(f"     receipt {receipt}")
        if step.look:
            self.line(f"     look at {step.look}")
        self.line(f"     {taken:.1f} s")

    @property
    def total(self) -> float:
        """Seconds since the story began."""
        return round(time.monotonic() - self._started, 2)


def receipt_of(answer: dict[str, Any]) -> str | None:
    """Return the receipt's number and type as one text, None when the answer has none."""
    receipt = answer.get("receipt")
    if isinstance(receipt, dict) and receipt.get("record"):
        return f"{receipt['record']} ({receipt.get('type', 'record')})"
    return None


def _quoted(word: str) -> str:
    return f"'{word}'" if not word or any(c in word for c in ' ;|&$"') else word
