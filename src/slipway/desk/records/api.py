"""REST: receipts, and the public face of the log."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Router, Status

from slipway.desk.accounts.viewer import viewer_of
from slipway.desk.records import queries
from slipway.desk.records.pages import checkpoint as checkpoint_page
from slipway.desk.records.pages import key as key_page

router = Router()


@router.get("/records/{record_id}", summary="One record as the log holds it")
def record(request: HttpRequest, record_id: str) -> dict[str, Any]:
    """Return the record's place in the log and its content."""
    entry = queries.find(viewer_of(request), record_id)
    return {**entry.as_dict(), "content": queries.entry_json(entry)}


@router.get(
    "/records/{record_id}/receipt",
    summary="The portable receipt of a record",
    response={200: dict[str, Any], 202: dict[str, Any]},
)
def receipt(request: HttpRequest, record_id: str) -> Status[dict[str, Any]]:
    """Return the receipt, which ``slipway verify`` accepts; 202 while the record waits for its place."""
    entry = queries.find(viewer_of(request), record_id)
    found = queries.receipt(record_id)
    if found is None:
        waiting = {"record": record_id, "type": entry.type, "recorded_at": entry.at, "state": "pending"}
        return Status(202, waiting)
    return Status(200, found)


@router.get("/log/checkpoint", auth=None, summary="The log's latest checkpoint (text)")
def checkpoint(request: HttpRequest) -> HttpResponse:
    """Return the C2SP signed note."""
    return checkpoint_page(request)


@router.get("/log/key", auth=None, summary="The log's verification key (text)")
def key(request: HttpRequest) -> HttpResponse:
    """Return the vkey."""
    return key_page(request)
