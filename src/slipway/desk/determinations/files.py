"""The files of a report as HTTP answers: exactly the bytes that were signed."""

from __future__ import annotations

import base64
import hashlib

from django.http import HttpResponse

from slipway.base.errors import Unavailable
from slipway.desk.determinations.models import Report
from slipway.desk.determinations.rendering import stylesheet
from slipway.desk.determinations.report import bundle_path


def _named(response: HttpResponse, made: Report, ending: str, how: str = "attachment") -> HttpResponse:
    response.headers["Content-Disposition"] = f'{how}; filename="{made.review.ref}-report{ending}"'
    response.headers["Cache-Control"] = "private, no-store"
    return response


def bundle(made: Report) -> HttpResponse:
    """Return the bundle; it must still be the file that was packed."""
    try:
        data = bundle_path(made).read_bytes()
    except FileNotFoundError:
        raise Unavailable("the bundle's file is gone from blobs/; restore it", code="bundle.gone") from None
    if hashlib.sha256(data).hexdigest() != made.bundle_sha256:
        raise Unavailable(
            "the bundle's file is not the one that was packed; restore it", code="bundle.changed"
        )
    response = HttpResponse(data, content_type="application/zip")
    response.headers["Content-Disposition"] = f'attachment; filename="{made.review.ref}.slipway.zip"'
    response.headers["Cache-Control"] = "private, no-store"
    return response


def pdf(made: Report) -> HttpResponse:
    """Return the PDF; :class:`Unavailable` when this machine could not make one."""
    if made.pdf is None:
        raise Unavailable("this report was made without a PDF; print the HTML instead", code="report.no_pdf")
    return _named(HttpResponse(bytes(made.pdf), content_type="application/pdf"), made, ".pdf")


def html(made: Report) -> HttpResponse:
    """Return the HTML under a policy that allows its own style sheet and nothing else."""
    response = HttpResponse(bytes(made.html), content_type="text/html; charset=utf-8")
    digest = base64.b64encode(hashlib.sha256(stylesheet().encode()).digest()).decode()
    response.headers["Content-Security-Policy"] = f"default-src 'none'; style-src 'sha256-{digest}'; sandbox"
    return _named(response, made, ".html", "inline")
