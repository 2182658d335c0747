"""What a policy pack holds once it has been read and found right."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any

import rfc8785

from slipway.programme.rule import DecisionRule
from slipway.programme.stages import ReleasePoint, Stage


class Tag(StrEnum):
    """How a fact is known: excerpt of a primary text, secondary source, or inferred."""

    EXCERPT = "X"
    SECONDARY = "S"
    INFERRED = "I"


class Head(StrEnum):
    """The five heads of terms that the order names."""

    CONFIDENTIALITY = "confidentiality"
    CYBERSECURITY = "cybersecurity"
    INSIDER_RISK = "insider risk"
    INTELLECTUAL_PROPERTY = "intellectual property"
    USE_AND_NONDISCLOSURE = "use and nondisclosure"


@dataclass(frozen=True, slots=True)
class Source:
    """One source that facts refer to."""

    id: str
    title: str
    date: date
    tag: Tag


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where one fact comes from: which source, where in it, its date, and how it is known."""

    source: str
    where: str
    date: date
    tag: Tag


@dataclass(frozen=True, slots=True)
class WindowRule:
    """How long access may be open and which release the days count back from."""

    max_days: int
    default_days: int
    counts_back_from: ReleasePoint
    extendable_by: str
    provenance: Provenance


@dataclass(frozen=True, slots=True)
class Level:
    """One access level that a grant can be for."""

    id: str
    title: str


@dataclass(frozen=True, slots=True)
class LimitSet:
    """Rates and budgets of a grant, all positive whole numbers."""

    requests_per_minute: int
    tokens_per_minute: int
    concurrency: int
    budget_requests: int
    budget_tokens: int


@dataclass(frozen=True, slots=True)
class GrantRule:
    """Limits and defaults of grants."""

    max_days: int
    levels: tuple[Level, ...]
    default_level: str
    routes: tuple[str, ...]
    content_policies: tuple[str, ...]
    defaults: LimitSet
    maximums: LimitSet
    provenance: Provenance

    @property
    def level_ids(self) -> tuple[str, ...]:
        """The ids of the levels, in the pack's order."""
        return tuple(level.id for level in self.levels)


@dataclass(frozen=True, slots=True)
class Clause:
    """One clause of the terms. ``control`` is a control's id or ``policy only``."""

    id: str
    head: Head
    title: str
    text: str
    control: str
    provenance: Provenance


@dataclass(frozen=True, slots=True)
class Obligation:
    """One duty: who, what, by when. ``due`` is ``None`` where the source gives no date (see ``when``)."""

    id: str
    actor: str
    duty: str
    due: date | None
    when: str
    provenance: Provenance

    @property
    def source(self) -> str:
        """The id of the source and the place in it."""
        return f"{self.provenance.source}, {self.provenance.where}"

    @property
    def tag(self) -> Tag:
        """How the duty is known."""
        return self.provenance.tag


@dataclass(frozen=True, slots=True)
class ClockRule:
    """One clock: started by an event, due after some hours, awaiting another event."""

    id: str
    title: str
    starts_on: str
    met_by: str
    hours: int
    provenance: Provenance


@dataclass(frozen=True, slots=True)
class Pack:
    """A policy pack. ``digest`` is the SHA-256 (hex) of the file, ``raw`` the file itself."""

    name: str
    version: str
    title: str
    summary: str
    date: date
    sources: tuple[Source, ...]
    window: WindowRule
    partner_window: WindowRule
    grants: GrantRule
    terms: tuple[Clause, ...]
    rule: DecisionRule
    rule_provenance: Provenance
    obligations: tuple[Obligation, ...]
    clocks: tuple[ClockRule, ...]
    limits: tuple[str, ...]
    digest: str
    raw: bytes = field(repr=False)

    def window_for(self, stage: Stage) -> WindowRule:
        """Return the rule for access opened in this stage.

        After a release to partners, a window that counts back from it is over
        and what opens then is the partners' own; otherwise the first still runs.
        """
        ended = self.window.counts_back_from is ReleasePoint.PARTNER_RELEASE
        return self.partner_window if stage is Stage.PARTNERS and ended else self.window

    def terms_text(self) -> list[dict[str, str]]:
        """Return the clauses as plain values, for pages and for the digest."""
        return [
            {"id": c.id, "head": str(c.head), "title": c.title, "text": c.text, "control": c.control}
            for c in self.terms
        ]

    @property
    def terms_digest(self) -> str:
        """What both sides agree to: SHA-256 (hex) of the canonical clauses, pack name and version."""
        body: dict[str, Any] = {"pack": self.name, "version": self.version, "terms": self.terms_text()}
        return hashlib.sha256(rfc8785.dumps(body)).hexdigest()
