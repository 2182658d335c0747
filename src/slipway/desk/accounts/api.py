"""REST: who am I."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Router

from slipway.desk.accounts.viewer import viewer_of

router = Router()


@router.get("/me", summary="Who the token or session belongs to")
def me(request: HttpRequest) -> dict[str, Any]:
    """Return the caller: their name, the organisation they act for, and their roles."""
    viewer = viewer_of(request)
    organisation = None
    if viewer.organisation_id is not None:
        organisation = {
            "id": viewer.organisation_id,
            "slug": viewer.organisation_slug,
            "kind": None if viewer.kind is None else str(viewer.kind),
        }
    return {
        "id": viewer.person_id,
        "name": viewer.name,
        "organisation": organisation,
        "roles": sorted(str(role) for role in viewer.roles),
        "via": viewer.via,
        "may_write": viewer.may_write,
    }
