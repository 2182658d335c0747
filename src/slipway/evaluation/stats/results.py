"""Frozen results. Every number carries its method, degrees of freedom, n, clusters and assumptions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


def decimal(value: float | None, places: int = 6) -> str | None:
    """Return ``value`` as a decimal string (records hold no floats); None stays None."""
    if value is None:
        return None
    text = f"{value:.{places}f}"
    return text.removeprefix("-") if float(text) == 0 else text


@dataclass(frozen=True, slots=True)
class Estimate:
    """A point estimate with its uncertainty. ``df`` is None where the method has none."""

    name: str
    method: str
    estimate: float
    se: float
    low: float
    high: float
    confidence: float
    n: int
    clusters: int
    df: float | None = None
    assumptions: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the estimate for JSON and records: numbers as decimal strings."""
        return {
            "name": self.name,
            "method": self.method,
            "estimate": decimal(self.estimate),
            "se": decimal(self.se),
            "low": decimal(self.low),
            "high": decimal(self.high),
            "confidence": decimal(self.confidence, 4),
            "n": self.n,
            "clusters": self.clusters,
            "df": None if self.df is None else decimal(self.df, 2),
            "assumptions": list(self.assumptions),
        }


@dataclass(frozen=True, slots=True)
class ItemResult:
    """One row of the per-item matrix. ``outcomes`` are (epoch, pass|fail|missing, reason)."""

    item: str
    family: str
    domain: str
    outcomes: tuple[tuple[int, str, str], ...]
    passes: int
    scored: int
    missing: int
    rate: float | None
    low: float | None
    high: float | None

    def as_dict(self) -> dict[str, Any]:
        """Return the row for JSON."""
        return {
            "item": self.item,
            "family": self.family,
            "domain": self.domain,
            "outcomes": [{"epoch": e, "outcome": o, "reason": r} for e, o, r in self.outcomes],
            "passes": self.passes,
            "scored": self.scored,
            "missing": self.missing,
            "rate": decimal(self.rate),
            "low": decimal(self.low),
            "high": decimal(self.high),
        }


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """The main estimate if every missing attempt had failed, and if every one had passed."""

    missing: int
    as_fail: Estimate
    as_pass: Estimate

    def as_dict(self) -> dict[str, Any]:
        """Return both ends for JSON."""
        return {
            "missing": self.missing,
            "as_fail": self.as_fail.as_dict(),
            "as_pass": self.as_pass.as_dict(),
        }


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run measured.

    ``fixed`` speaks about these items only; ``generalised`` about further items
    of the same families' kind, and is None (with ``generalised_absent`` saying
    why) where there are too few families.
    """

    planned: int
    scored: int
    missing: int
    passes: int
    items: int
    families: int
    epochs: int
    tokens: int
    turns: int
    confidence: float
    fixed: Estimate | None
    generalised: Estimate | None
    generalised_absent: str
    by_domain: tuple[Estimate, ...]
    pass_at: tuple[Estimate, ...]
    pass_hat: tuple[Estimate, ...]
    mde: float | None
    mde_method: str
    sensitivity_fixed: Sensitivity | None
    sensitivity_generalised: Sensitivity | None
    missing_reasons: tuple[tuple[str, int], ...]
    per_item: tuple[ItemResult, ...]
    notes: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """True when no planned attempt is missing."""
        return self.missing == 0 and self.planned > 0

    def as_dict(self) -> dict[str, Any]:
        """Return the summary for JSON and records; decimals are strings."""

        def of(value: Estimate | Sensitivity | None) -> dict[str, Any] | None:
            return None if value is None else value.as_dict()

        return {
            "planned": self.planned,
            "scored": self.scored,
            "missing": self.missing,
            "passes": self.passes,
            "items": self.items,
            "families": self.families,
            "epochs": self.epochs,
            "tokens": self.tokens,
            "turns": self.turns,
            "confidence": decimal(self.confidence, 4),
            "fixed": of(self.fixed),
            "generalised": of(self.generalised),
            "generalised_absent": self.generalised_absent,
            "by_domain": [e.as_dict() for e in self.by_domain],
            "pass_at": [e.as_dict() for e in self.pass_at],
            "pass_hat": [e.as_dict() for e in self.pass_hat],
            "mde": decimal(self.mde),
            "mde_method": self.mde_method,
            "sensitivity": {
                "fixed": of(self.sensitivity_fixed),
                "generalised": of(self.sensitivity_generalised),
            },
            "missing_reasons": [{"reason": r, "count": c} for r, c in self.missing_reasons],
            "per_item": [i.as_dict() for i in self.per_item],
            "notes": list(self.notes),
        }
