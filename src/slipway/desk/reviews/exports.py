"""Tables as CSV and JSON, streamed page by page, so that 20,000 rows need no more memory than 200."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse

from slipway.base.errors import InvalidInput, Problem

FORMATS = ("csv", "json")
# A cell that begins so is run as a formula by spreadsheet programs; a leading apostrophe stops that.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def wanted(request: HttpRequest) -> str:
    """Return the export that the address asks for: csv, json or "" for the page."""
    kind = request.GET.get("format", "")
    if kind and kind not in FORMATS:
        raise InvalidInput(
            [Problem("format", f"{kind[:20]!r} is unknown", "give csv or json")], what="export"
        )
    return kind


def answer(
    kind: str, name: str, columns: tuple[str, ...], rows: Iterable[Mapping[str, Any]]
) -> HttpResponseBase:
    """Return ``rows`` as a file to download."""
    if kind == "csv":
        response = StreamingHttpResponse(_csv(columns, rows), content_type="text/csv; charset=utf-8")
    else:
        response = StreamingHttpResponse(_json(rows), content_type="application/json")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.{kind}"'
    return response


def _csv(columns: tuple[str, ...], rows: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row.get(c)) for c in columns])
        yield buffer.getvalue().encode()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue().encode()


def _cell(value: Any) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _json(rows: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    before = b"["
    for row in rows:
        yield before + json.dumps(row, ensure_ascii=False).encode()
        before = b",\n"
    yield b"[]\n" if before == b"[" else b"]\n"
