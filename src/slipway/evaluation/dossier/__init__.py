"""The dossier: what a report says, section by section, as plain data.

Pure, so that the page, the print and the signed statement show the same thing:
the desk renders :class:`Dossier` and adds nothing. The order of the sections
follows the field's practice: question and threat model, suite and commitments,
test bed and containment, elicitation, results, integrity, determination,
limits, how to verify.
"""

from __future__ import annotations

from slipway.evaluation.dossier import results, sections
from slipway.evaluation.dossier.blocks import (
    Block,
    Dossier,
    Facts,
    Intervals,
    Matrix,
    Section,
    Table,
    Text,
    interval,
    percent,
)
from slipway.evaluation.dossier.sections import DossierInput, egress_rows

__all__ = [
    "Block",
    "Dossier",
    "DossierInput",
    "Facts",
    "Intervals",
    "Matrix",
    "Section",
    "Table",
    "Text",
    "build",
    "egress_rows",
    "interval",
    "percent",
]


def build(given: DossierInput) -> Dossier:
    """Put a dossier together. Nothing is left out: what is not known is said to be not known."""
    return Dossier(
        title=f"Review of {given.review.get('model_name') or given.review.get('codename', 'a model')}",
        headline=sections.headline(given),
        sections=(
            sections.question(given),
            sections.suite(given),
            sections.test_bed(given),
            sections.elicitation(given),
            results.results(given),
            sections.integrity(given),
            sections.determination(given),
            sections.limits(given),
            sections.verify(given),
        ),
    )
