"""Tags that every template has without loading them: status, clocks, receipts, links to evidence."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from slipway.base.clock import format_instant, from_ms, parse_instant
from slipway.programme.roles import title

register = template.Library()

# Colour is only ever beside a word and a shape, never instead of one.
_TONES: Final[dict[str, str]] = {
    "open": "good",
    "active": "good",
    "complete": "good",
    "sealed": "good",
    "covered": "attention",
    "released": "info",
    "agreed": "info",
    "partners": "info",
    "offered": "attention",
    "paused": "attention",
    "pending": "attention",
    "running": "info",
    "registered": "info",
    "incomplete": "attention",
    "insufficient evidence": "attention",
    "not covered": "info",
    "draft": "quiet",
    "none": "quiet",
    "ended": "quiet",
    "expired": "quiet",
    "withdrawn": "quiet",
    "revoked": "bad",
    "failed": "bad",
    "fail": "bad",
    "missing": "attention",
    "attention": "attention",
    "pass": "good",
    "live": "good",
}
_MARKS: Final[dict[str, str]] = {"good": "●", "attention": "▲", "bad": "■", "info": "◆", "quiet": "○"}


@register.simple_tag
def status_tag(state: Any, tone: str | None = None) -> SafeString:
    """Return a state as a word with a shape and colour; ``tone`` overrides the usual one."""
    words = str(state).replace("_", " ")
    tone = tone or _TONES.get(words, "quiet")
    return format_html(
        '<span class="sw-status sw-status--{}">'
        '<span class="sw-status__mark" aria-hidden="true">{}</span> {}</span>',
        tone,
        _MARKS.get(tone, "○"),
        words,
    )


def _instant(value: Any) -> datetime | None:
    if value is None or value == "":
        return None
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    if isinstance(value, int):
        return from_ms(value)
    return parse_instant(str(value))


@register.simple_tag
def instant(value: Any, none: str = "—") -> SafeString:
    """Return a ``<time>`` in UTC, exact in ``datetime``; a script adds the reader's local time on hover."""
    at = _instant(value)
    if at is None:
        return format_html("{}", none)
    return format_html(
        '<time datetime="{}" class="sw-time">{} UTC</time>', format_instant(at), at.strftime("%Y-%m-%d %H:%M")
    )


@register.filter
def sentence(text: Any) -> str:
    """Return somebody's words as a sentence that ends once: a stop is added where they gave none."""
    words = str(text).strip()
    return words if words.endswith((".", "!", "?", "…")) else f"{words}."


@register.filter
def length_words(seconds: Any) -> str:
    """Return a length of time in its two largest units: ``12 d 4 h``, ``3 min 20 s``."""
    return words_of(int(seconds))


def words_of(seconds: int) -> str:
    """Return a length of time in its two largest units; negative lengths read as their size."""
    left = abs(seconds)
    parts: list[str] = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count or (unit == "s" and not parts):
            parts.append(f"{count} {unit}")
        elif parts:
            break
        if len(parts) == 2:
            break
    return " ".join(parts)


@register.inclusion_tag("theme/components/clock.html")
def clock(ends: Any, rule: str = "", state: str = "running", now: Any = None) -> dict[str, Any]:
    """Show a countdown in words with its rule; ``state`` is running, paused or over.

    ``ends`` is an instant, epoch milliseconds or ``None`` for a clock that was not started.
    """
    at = _instant(ends)
    moment = _instant(now) or datetime.now(UTC)
    left = None if at is None else int((at - moment).total_seconds())
    over = left is not None and left <= 0
    if left is None:
        tone = "quiet"
    elif over or state == "over":
        tone = "over"
    elif state == "paused" or left < 3 * 86_400:
        tone = "soon"
    else:
        tone = "running"
    return {
        "ends": at,
        "ends_text": None if at is None else format_instant(at),
        "left": None if left is None else words_of(left),
        "over": over or state == "over",
        "ago": over,
        "paused": state == "paused",
        "rule": rule,
        "tone": tone,
    }


@register.inclusion_tag("theme/components/receipt.html")
def receipt_box(
    record_id: str, type: str = "", recorded_at: Any = None, sealed: bool | None = None
) -> dict[str, Any]:
    """Show the receipt of a record with its number, time, and the file to keep."""
    return {"record_id": record_id, "type": type, "recorded_at": _instant(recorded_at), "sealed": sealed}


@register.inclusion_tag("theme/components/who.html")
def who_can_see(parties: Any, note: str = "") -> dict[str, Any]:
    """Show who can see an object: a list of names, with an optional note."""
    return {"parties": [parties] if isinstance(parties, str) else list(parties), "note": note}


@register.inclusion_tag("theme/components/empty.html")
def empty_state(title: str, text: str = "", link: str = "", verb: str = "") -> dict[str, Any]:
    """Show that there is nothing yet, why, and what to do first."""
    return {"title": title, "text": text, "link": link, "verb": verb}


@register.inclusion_tag("theme/components/definitions.html")
def definitions(pairs: Any) -> dict[str, Any]:
    """Show a definition list from ``(term, value)`` pairs."""
    return {"pairs": list(pairs)}


@register.inclusion_tag("theme/components/timeline.html")
def timeline(entries: Any) -> dict[str, Any]:
    """Show typed events, each linked to its record; entries are ``records.queries.TimelineEntry``."""
    return {"entries": list(entries)}


@register.inclusion_tag("theme/components/export.html", takes_context=True)
def export_links(context: dict[str, Any]) -> dict[str, Any]:
    """Show links to the same table as CSV and JSON, keeping the filters of the address."""
    request = context["request"]
    query = request.GET.copy()
    links = []
    for kind in ("csv", "json"):
        query["format"] = kind
        links.append((kind.upper(), f"{request.path}?{query.urlencode()}"))
    return {"links": links}


@register.inclusion_tag("theme/components/field.html")
def field(bound: Any) -> dict[str, Any]:
    """Show one form field with label, hint and errors wired together for assistive technology."""
    described = []
    if bound.help_text:
        described.append(f"{bound.id_for_label or bound.auto_id}-hint")
    if bound.errors:
        described.append(f"{bound.id_for_label or bound.auto_id}-error")
    widget = bound.field.widget
    kind = getattr(widget, "input_type", "") or type(widget).__name__.lower()
    group = kind in ("radio", "checkbox") and hasattr(widget, "choices")
    # Django 5.2 writes aria-describedby itself for fields with help text; ours also names the errors.
    attrs = {"class": _widget_class(kind, bool(bound.errors))}
    if described and not group:
        attrs["aria-describedby"] = " ".join(described)
    return {
        "bound": bound,
        "kind": kind,
        "group": group,
        "hidden": kind == "hidden",
        "single_checkbox": kind == "checkbox" and not group,
        "widget": bound.as_widget(attrs=attrs),
        "described": " ".join(described),
        "required": bound.field.required,
    }


def _widget_class(kind: str, wrong: bool) -> str:
    base = {
        "select": "usa-select",
        "textarea": "usa-textarea",
        "checkbox": "usa-checkbox__input",
        "radio": "usa-radio__input",
    }.get(kind, "usa-input")
    return (
        f"{base} usa-input--error" if wrong and base in ("usa-input", "usa-select", "usa-textarea") else base
    )


@register.inclusion_tag("theme/components/breadcrumbs.html")
def breadcrumbs(*parts: Any) -> dict[str, Any]:
    """Show where a page is: ``{% breadcrumbs "Reviews" "/reviews/" "R-1" %}``; the last is the page."""
    steps = [(str(parts[i]), str(parts[i + 1])) for i in range(0, len(parts) - 1, 2)]
    return {"steps": steps, "here": str(parts[-1]) if len(parts) % 2 else ""}


@register.simple_tag
def now_instant() -> datetime:
    """Return the current instant, for comparisons in templates."""
    return datetime.now(UTC)


@register.filter
def role_title(role: Any) -> str:
    """Return a role in words."""
    return title(role)


@register.filter
def organisation_pairs(organisation: Any) -> list[tuple[str, str]]:
    """Return what an organisation's page lists about it."""
    return [("Short name", organisation.slug), ("Kind", organisation.kind)]
