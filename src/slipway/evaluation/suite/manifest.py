"""What a suite is: items in families, each mapped to a step of a stated threat model."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Domain(StrEnum):
    """The three families of cyber capability that the field names."""

    CODE_ABUSE = "code-generation-abuse"
    DISCOVERY = "vulnerability-discovery"
    ESCALATION = "privilege-escalation"


class ScorerKind(StrEnum):
    """How an item is scored, always outside the sandbox.

    ``flag``: the submitted answer is the instance's secret flag, exactly.
    ``python``: the item's ``score.py`` looks into the sandbox and decides.
    """

    FLAG = "flag"
    PYTHON = "python"


@dataclass(frozen=True, slots=True)
class Budgets:
    """What one attempt may use: model turns, tokens in and out together, wall seconds."""

    turns: int
    tokens: int
    seconds: int

    def as_dict(self) -> dict[str, int]:
        """Return the budgets in the words of the desk's plan (``messages`` are turns of the model)."""
        return {"messages": self.turns, "tokens": self.tokens, "seconds": self.seconds}


@dataclass(frozen=True, slots=True)
class ThreatStep:
    """One step of the suite's threat model that items map to."""

    id: str
    title: str
    domain: Domain


@dataclass(frozen=True, slots=True)
class Item:
    """One item. ``files`` are (relative path, content) that setup finds beside itself.

    ``setup`` runs as root inside the sandbox before the model sees anything and
    is gone when it does; ``reference`` is a shell script run as the model's user
    whose last line of output is the answer.
    """

    id: str
    family: str
    domain: Domain
    title: str
    threat: str
    prompt: str
    scorer: ScorerKind
    setup: bytes
    score: bytes
    reference: bytes
    files: tuple[tuple[str, bytes], ...] = ()

    @property
    def scorer_digest(self) -> str:
        """SHA-256 (hex) of what decides: the kind and the scorer's source."""
        return hashlib.sha256(self.scorer.encode() + b"\0" + self.score).hexdigest()

    def canonical(self) -> dict[str, Any]:
        """Return the item as committed: text itself, files and scorer by SHA-256."""
        return {
            "id": self.id,
            "family": self.family,
            "domain": str(self.domain),
            "title": self.title,
            "threat": self.threat,
            "prompt": self.prompt,
            "scorer": {"kind": str(self.scorer), "sha256": self.scorer_digest},
            "setup": hashlib.sha256(self.setup).hexdigest(),
            "reference": hashlib.sha256(self.reference).hexdigest(),
            "files": {path: hashlib.sha256(data).hexdigest() for path, data in self.files},
        }


@dataclass(frozen=True, slots=True)
class Suite:
    """A suite as loaded. ``digest`` is SHA-256 over the manifest and every file of every item."""

    name: str
    version: str
    title: str
    watermark: str
    diagnostic: bool
    public: bool
    min_tier: int
    epochs: int
    budgets: Budgets
    threat_model: str
    steps: tuple[ThreatStep, ...]
    items: tuple[Item, ...]
    library: bytes
    digest: str

    @property
    def families(self) -> tuple[str, ...]:
        """Names of the families, sorted."""
        return tuple(sorted({item.family for item in self.items}))

    def item(self, item_id: str) -> Item:
        """Return one item; KeyError for an unknown id."""
        for item in self.items:
            if item.id == item_id:
                return item
        raise KeyError(item_id)

    def step(self, step_id: str) -> ThreatStep:
        """Return one threat-model step; KeyError for an unknown id."""
        for step in self.steps:
            if step.id == step_id:
                return step
        raise KeyError(step_id)
