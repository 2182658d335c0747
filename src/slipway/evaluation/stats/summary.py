"""From attempts to a summary. Missing attempts are set apart, never silently counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from slipway.base.errors import InvalidInput, Problem
from slipway.evaluation.stats.cluster import clustered_mean, fixed_mean
from slipway.evaluation.stats.exact import clopper_pearson
from slipway.evaluation.stats.outcomes import Outcome, Result
from slipway.evaluation.stats.passk import pass_at_k, pass_hat_k
from slipway.evaluation.stats.power import minimum_detectable_effect
from slipway.evaluation.stats.results import Estimate, ItemResult, Sensitivity, Summary

MIN_FAMILIES = 5
"""Below this many families no generalised interval is given (design page, section Statistics)."""
CLAIM_FAMILIES = 20
"""Below this many families a claim beyond the item set carries a note."""


@dataclass(frozen=True, slots=True)
class _Cell:
    item: str
    family: str
    domain: str
    passes: int
    attempts: int


def summarise(items: Sequence[Outcome], *, confidence: float = 0.95) -> Summary:
    """Summarise attempts; raises InvalidInput for duplicates or contradicting families.

    Give one outcome for each *planned* attempt (see
    :func:`~slipway.evaluation.stats.outcomes.fill_missing`). Empty input gives a
    summary without estimates.
    """
    _check(items)
    per_item = _per_item(items, confidence)
    cells = [_Cell(i.item, i.family, i.domain, i.passes, i.scored) for i in per_item if i.scored]
    families = {o.family for o in items}
    scored = [o for o in items if o.result is not Result.MISSING]
    missing = len(items) - len(scored)
    fixed = _fixed(cells, confidence)
    generalised, absent = _generalised(cells, confidence)
    main = generalised or fixed
    reasons = Counter(o.reason or "no reason given" for o in items if o.result is Result.MISSING)
    as_fail, as_pass = _extremes(per_item, passed=False), _extremes(per_item, passed=True)
    return Summary(
        planned=len(items),
        scored=len(scored),
        missing=missing,
        passes=sum(o.result is Result.PASS for o in items),
        items=len(per_item),
        families=len(families),
        epochs=max((o.epoch for o in items), default=0),
        tokens=sum(o.tokens for o in items),
        turns=sum(o.turns for o in items),
        confidence=confidence,
        fixed=fixed,
        generalised=generalised,
        generalised_absent=absent,
        by_domain=_by_domain(cells, confidence),
        pass_at=_over_k(cells, "pass@", confidence),
        pass_hat=_over_k(cells, "pass^", confidence),
        mde=None if main is None else minimum_detectable_effect(main.se, main.df, confidence=confidence),
        mde_method=f"two-sided at {confidence:.0%} confidence, 80 % power, from the observed standard error",
        sensitivity_fixed=_sensitivity(missing, _fixed(as_fail, confidence), _fixed(as_pass, confidence)),
        sensitivity_generalised=_sensitivity(
            missing, _generalised(as_fail, confidence)[0], _generalised(as_pass, confidence)[0]
        ),
        missing_reasons=tuple(sorted(reasons.items())),
        per_item=per_item,
        notes=_notes(len(families), missing, len(items), cells),
    )


def _check(items: Sequence[Outcome]) -> None:
    problems: list[Problem] = []
    where: dict[str, tuple[str, str]] = {}
    for (item, epoch), count in Counter((o.item, o.epoch) for o in items).items():
        if count > 1:
            problems.append(
                Problem(f"{item}.{epoch}", f"{count} outcomes for one attempt", "give one outcome an attempt")
            )
    for o in items:
        if where.setdefault(o.item, (o.family, o.domain)) != (o.family, o.domain):
            problems.append(
                Problem(
                    o.item, "is given with two families or domains", "give every item one family and domain"
                )
            )
    if problems:
        raise InvalidInput(problems, what="outcomes")


def _per_item(items: Sequence[Outcome], confidence: float) -> tuple[ItemResult, ...]:
    grouped: dict[str, list[Outcome]] = {}
    for o in items:
        grouped.setdefault(o.item, []).append(o)
    rows = []
    for item, group in grouped.items():
        passes = sum(o.result is Result.PASS for o in group)
        scored = sum(o.result is not Result.MISSING for o in group)
        low, high = clopper_pearson(passes, scored, confidence) if scored else (None, None)
        rows.append(
            ItemResult(
                item=item,
                family=group[0].family,
                domain=group[0].domain,
                outcomes=tuple(
                    (o.epoch, str(o.result), o.reason) for o in sorted(group, key=lambda o: o.epoch)
                ),
                passes=passes,
                scored=scored,
                missing=len(group) - scored,
                rate=passes / scored if scored else None,
                low=low,
                high=high,
            )
        )
    return tuple(rows)


def _extremes(rows: Sequence[ItemResult], *, passed: bool) -> list[_Cell]:
    return [
        _Cell(r.item, r.family, r.domain, r.passes + (r.missing if passed else 0), r.scored + r.missing)
        for r in rows
    ]


def _fixed(
    cells: Sequence[_Cell], confidence: float, name: str = "fixed-benchmark accuracy"
) -> Estimate | None:
    if not cells:
        return None
    return fixed_mean(
        [c.passes for c in cells], [c.attempts for c in cells], name=name, confidence=confidence
    )


def _generalised(cells: Sequence[_Cell], confidence: float) -> tuple[Estimate | None, str]:
    families = len({c.family for c in cells})
    if families < MIN_FAMILIES:
        return None, f"{families} families were scored; a generalised interval needs at least {MIN_FAMILIES}"
    return (
        clustered_mean(
            [c.passes / c.attempts for c in cells],
            [c.family for c in cells],
            name="generalised accuracy",
            confidence=confidence,
            n=sum(c.attempts for c in cells),
        ),
        "",
    )


def _by_domain(cells: Sequence[_Cell], confidence: float) -> tuple[Estimate, ...]:
    found = []
    for domain in sorted({c.domain for c in cells}):
        estimate = _fixed([c for c in cells if c.domain == domain], confidence, domain)
        if estimate is not None:
            found.append(estimate)
    return tuple(found)


def _over_k(cells: Sequence[_Cell], kind: str, confidence: float) -> tuple[Estimate, ...]:
    """Give k from 1 to the smallest number of attempts; never alone, always beside the accuracy."""
    if not cells or len({c.family for c in cells}) < 2:
        return ()
    rule = pass_at_k if kind == "pass@" else pass_hat_k
    most = min(c.attempts for c in cells)
    return tuple(
        clustered_mean(
            [rule(c.attempts, c.passes, k) for c in cells],
            [c.family for c in cells],
            name=f"{kind}{k}",
            confidence=confidence,
            n=sum(c.attempts for c in cells),
        )
        for k in range(1, most + 1)
    )


def _sensitivity(missing: int, low: Estimate | None, high: Estimate | None) -> Sensitivity | None:
    return None if low is None or high is None else Sensitivity(missing, low, high)


def _notes(families: int, missing: int, planned: int, cells: Sequence[_Cell]) -> tuple[str, ...]:
    notes = []
    if missing:
        notes.append(
            f"{missing} of {planned} attempts are missing; estimates use the scored ones, "
            "the sensitivity analysis gives both extremes"
        )
    if MIN_FAMILIES <= families < CLAIM_FAMILIES:
        notes.append(
            f"{families} families: a claim beyond the item set should rest on at least {CLAIM_FAMILIES}"
        )
    if cells and fmean(c.attempts for c in cells) < 5:
        notes.append("fewer than 5 attempts an item")
    return tuple(notes)
