"""A review's chain of records: writing one, committing to words, announcing keys, joining a party."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from slipway.base.errors import Refused
from slipway.desk.accounts.models import Organisation
from slipway.desk.accounts.viewer import SYSTEM, Viewer
from slipway.desk.records.actions import record
from slipway.desk.records.site_keys import party_signer
from slipway.desk.reviews.models import Participation, Review
from slipway.desk.reviews.receipts import Receipt
from slipway.evidence import seal


def note(
    acting: Viewer,
    type: str,
    review: Review,
    body: Mapping[str, Any],
    at: datetime,
    party: str | None = None,
    sealed: Sequence[str] = (),
) -> Receipt:
    """Write the evidence record of an act on ``review`` and return its receipt.

    ``sealed`` are salted commitments to words that must not stand in the log themselves.
    """
    made = record(acting=acting, type=type, review=review.id, body=body, party=party, at=at, sealed=sealed)
    return Receipt(made, type, at)


def commit(review: Review, purpose: str, fields: Mapping[str, Any]) -> list[str]:
    """Return salted commitments to ``fields``; the bundle of the report can open them."""
    return seal.commitments(seal.field_salt(bytes(review.salt), purpose), fields)


def names_of(review: Review) -> dict[str, str]:
    """Return the names that the first record commits to and the report opens."""
    return {"codename": review.codename, "model_name": review.model_name, "summary": review.summary}


def announce(review: Review, slug: str, at: datetime) -> None:
    """Write a party's verification key into the review's chain, so that a stranger can check its records."""
    signer = party_signer(slug)
    if signer is None:
        raise Refused(f"the site holds no key for {slug}; an administrator makes it", code="party.no_key")
    note(SYSTEM, "party.key", review, {"party": slug, "vkey": signer.vkey}, at, party="desk")


def join(review: Review, organisation: Organisation, part: str, at: datetime) -> Participation:
    """Make an organisation a party of the review: from here on it sees the review."""
    made, new = Participation.objects.get_or_create(
        review=review,
        organisation=organisation,
        defaults={"part": part, "number": review.number, "joined_at": at},
    )
    if new:
        announce(review, organisation.slug, at)
    return made
