"""A dossier as one self-contained HTML file, and that file as a PDF, both reproducible.

Reproducible means: the same dossier gives the same bytes, on another day and
in another process. So no clock, no random identifier, no network, and fonts of
our own for the PDF.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.contrib.staticfiles import finders
from django.template.loader import render_to_string

_log = logging.getLogger("slipway.desk.report")
# They tell every step and every glyph at INFO.
for _noisy in ("weasyprint", "fontTools"):
    logging.getLogger(_noisy).setLevel(logging.ERROR)

_SCHEME = "slipway-font://"
_FONTS = (("Regular", "normal", 400), ("Italic", "italic", 400), ("Bold", "normal", 700))


@lru_cache(maxsize=1)
def stylesheet() -> str:
    """Return the report's style sheet, which the file carries and the desk's page links to."""
    found = finders.find("determinations/report.css")
    if found is None:
        raise RuntimeError("determinations/report.css is missing from this installation")
    return Path(str(found)).read_text("utf-8")


def document(dossier: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    """Return the report as one HTML file that needs nothing else."""
    context = {"dossier": dossier, "facts": facts, "style": stylesheet()}
    return render_to_string("determinations/report_document.html", context)


def pdf(html: bytes) -> bytes | None:
    """Return ``html`` as PDF, None (with a line in the log) where the machine lacks Pango.

    The identifier is the digest of the HTML, the dates are the document's own.
    """
    try:
        import weasyprint
        from weasyprint.text.fonts import FontConfiguration
    except OSError as error:
        _log.warning("no PDF can be made on this machine: %s", error)
        return None
    fetch = _fetcher()
    fonts: Any = FontConfiguration()  # type: ignore[no-untyped-call]
    style: Any = weasyprint.CSS(string=_font_faces(), font_config=fonts, url_fetcher=fetch)  # type: ignore[no-untyped-call]
    page: Any = weasyprint.HTML(string=html.decode(), url_fetcher=fetch)  # type: ignore[no-untyped-call]
    identifier = hashlib.sha256(html).hexdigest()[:32].encode()
    made: bytes = page.write_pdf(stylesheets=[style], font_config=fonts, pdf_identifier=identifier)
    return made


def _font_faces() -> str:
    return "\n".join(
        f"@font-face {{ font-family: 'Public Sans'; font-style: {style}; font-weight: {weight};"
        f" src: url('{_SCHEME}{name}'); }}"
        for name, style, weight in _FONTS
    )


def _fetcher() -> Any:
    """Return what hands WeasyPrint our own fonts and nothing else: a report reaches no network, no files."""
    from weasyprint.urls import URLFetcher, URLFetcherResponse

    class OurFonts(URLFetcher):
        def fetch(self, url: str, headers: Any = None) -> Any:
            name = url.removeprefix(_SCHEME)
            path = finders.find(f"theme/PublicSans-{name}.woff2") if name in {f[0] for f in _FONTS} else None
            if path is None:
                raise ValueError(f"a report fetches nothing: {url}")
            return URLFetcherResponse(url, Path(str(path)).read_bytes(), {"Content-Type": "font/woff2"})  # type: ignore[no-untyped-call]

    return OurFonts()  # type: ignore[no-untyped-call]
