"""Pages of records and of the log."""

from __future__ import annotations

import json

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from slipway.base.errors import Unavailable
from slipway.desk.accounts.viewer import viewer_of
from slipway.desk.records import queries

TEXT = "text/plain; charset=utf-8"


@require_safe
@login_required
def record(request: HttpRequest, record_id: str) -> HttpResponse:
    """Show one record: what the log holds, where, and its receipt."""
    entry = queries.find(viewer_of(request), record_id)
    receipt = queries.receipt(record_id)
    return render(
        request,
        "records/record.html",
        {
            "entry": entry,
            "text": json.dumps(queries.entry_json(entry), indent=2, ensure_ascii=False),
            "receipt": receipt,
            "vkey": queries.vkey(),
        },
    )


@require_safe
@login_required
def receipt(request: HttpRequest, record_id: str) -> HttpResponse:
    """Answer with the receipt as a file; 202 while the record waits for its place."""
    queries.find(viewer_of(request), record_id)
    found = queries.receipt(record_id)
    if found is None:
        return render(request, "records/waiting.html", {"record_id": record_id}, status=202)
    response = HttpResponse(json.dumps(found, indent=2) + "\n", content_type="application/json")
    response.headers["Content-Disposition"] = f'attachment; filename="receipt-{record_id}.json"'
    return response


@require_safe
def log(request: HttpRequest) -> HttpResponse:
    """Explain the log to anybody: its size, latest checkpoint, key, and how to verify."""
    try:
        note = queries.checkpoint()
    except Unavailable:
        note = ""
    return render(request, "records/log.html", {"checkpoint": note, "vkey": queries.vkey()})


@require_safe
def checkpoint(request: HttpRequest) -> HttpResponse:
    """Answer with the latest checkpoint (C2SP tlog-checkpoint), for anybody."""
    return HttpResponse(queries.checkpoint(), content_type=TEXT)


@require_safe
def key(request: HttpRequest) -> HttpResponse:
    """Answer with the log's verification key, for anybody."""
    return HttpResponse(queries.vkey() + "\n", content_type=TEXT)
