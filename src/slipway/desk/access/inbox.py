"""What of access waits for somebody: an endpoint, an agreement, a first key."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from slipway.base.clock import from_ms
from slipway.desk.access import policy, queries
from slipway.desk.access.models import Endpoint, Grant, Key
from slipway.desk.accounts.viewer import Viewer
from slipway.desk.reviews.inbox import Waiting
from slipway.desk.reviews.models import Review
from slipway.desk.reviews.policy import acts_now
from slipway.programme.grants import GrantAct
from slipway.programme.stages import Act, Stage


def source(viewer: Viewer, reviews: list[Review], now: datetime) -> Iterable[Waiting]:
    """Return what of access waits for the viewer."""
    by_id = {r.id: r for r in reviews}
    sealed = set(
        Endpoint.objects.filter(review_id__in=by_id, retired_ms=None).values_list("review_id", flat=True)
    )
    for review in reviews:
        joined = review.stage in (Stage.AGREED, Stage.OPEN)
        if joined and review.id not in sealed and Act.SET_ENDPOINT in acts_now(viewer, review, now):
            yield Waiting(
                review, "No endpoint is sealed yet", "Seal the endpoint", f"/reviews/{review.ref}/grants/"
            )
    grants = list(
        queries.visible_to(viewer)
        .filter(review_id__in=by_id, state__in=["draft", "active"])
        .order_by("-number")[:100]
    )
    keyed = set(Key.objects.filter(grant_id__in=[g.id for g in grants]).values_list("grant_id", flat=True))
    for grant in grants:
        yield from _of_grant(viewer, by_id[grant.review_id], grant, now, grant.id in keyed)


def _of_grant(viewer: Viewer, review: Review, grant: Grant, now: datetime, keyed: bool) -> Iterable[Waiting]:
    due = from_ms(grant.not_after_ms)
    url = f"/grants/{grant.ref}/"
    if GrantAct.AGREE in policy.acts_now(viewer, review, grant, now):
        yield Waiting(review, f"{grant.ref} waits for your side's agreement", "Read and answer", url, due)
    elif not keyed and policy.may_add_key(viewer, review, grant, now):
        yield Waiting(review, f"{grant.ref} is agreed and has no key yet", "Make a key", url, due)
