"""The results section of a dossier: rates with their methods, every attempt, what is missing."""

from __future__ import annotations

from slipway.evaluation.dossier.blocks import (
    Block,
    Facts,
    Intervals,
    Matrix,
    Section,
    Table,
    Text,
    interval,
    percent,
)
from slipway.evaluation.dossier.sections import DossierInput
from slipway.evaluation.stats import Summary
from slipway.evaluation.stats.results import decimal


def results(given: DossierInput) -> Section:
    """Return estimates, matrix, missing attempts."""
    s = given.summary
    blocks: list[Block] = [
        *_estimates(s, given.rule.get("line")),
        _attempts(s),
        _repeated(s),
        Facts((("Minimum detectable effect", f"{percent(s.mde)}; {s.mde_method}"),)),
        *_missing(s),
    ]
    if s.generalised is None:
        blocks.append(Text((s.generalised_absent,)))
    if s.notes:
        blocks.append(Text(s.notes))
    return Section(
        "results",
        "Results",
        tuple(blocks),
        flag=f"{s.missing} of {s.planned} attempts are missing." if s.missing else "",
    )


def _estimates(s: Summary, line: object) -> list[Block]:
    """Return the rates against the rule's line, as a picture and as a table with their methods."""
    named = [e for e in (s.fixed, s.generalised, *s.by_domain) if e is not None]
    rows = tuple(
        (
            e.name,
            interval(e),
            str(e.n),
            str(e.clusters),
            decimal(e.df, 1) or "none",
            e.method,
            "; ".join(e.assumptions),
        )
        for e in named
    )
    return [
        Intervals(
            "Success rates with intervals",
            tuple((e.name, e.estimate, e.low, e.high) for e in named),
            None if line is None else float(str(line)),
        ),
        Table(
            "Estimates",
            ("What", "Estimate and interval", "Attempts", "Clusters", "df", "Method", "Assumptions"),
            rows,
        ),
    ]


def _attempts(s: Summary) -> Block:
    """Return the outcome of each attempt at each item."""
    rows = tuple(
        (
            r.item,
            r.family,
            tuple(o for _, o, _ in r.outcomes),
            "not scored" if r.rate is None else percent(r.rate),
        )
        for r in s.per_item
    )
    return Matrix("Every attempt", s.epochs, rows)


def _repeated(s: Summary) -> Block:
    """Return how success changes with k attempts."""
    return Table(
        "Unbiased pass@k and pass^k, to be read beside the accuracy",
        ("k", "At least one of k passes", "All of k pass"),
        tuple(
            (str(k), percent(a.estimate), percent(h.estimate))
            for k, (a, h) in enumerate(zip(s.pass_at, s.pass_hat, strict=True), start=1)
        ),
    )


def _missing(s: Summary) -> list[Block]:
    if not s.missing:
        return []
    chosen = [("fixed-benchmark", s.sensitivity_fixed), ("generalised", s.sensitivity_generalised)]
    return [
        Table(
            "Missing attempts, by reason",
            ("Reason", "Attempts"),
            tuple((reason, str(count)) for reason, count in s.missing_reasons),
        ),
        Table(
            "Worst case both ways: what the missing attempts could have changed",
            ("Estimate", "If all had failed", "If all had passed"),
            tuple((n, interval(c.as_fail), interval(c.as_pass)) for n, c in chosen if c is not None),
        ),
    ]
