"""Template tags and the vendored files."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import tinycss2
from django import forms
from django.template import Context, Template

from slipway.desk import theme
from slipway.desk.theme.templatetags.theme import words_of

STATIC = Path(theme.__file__).parent / "static" / "theme"
NOW = datetime(2026, 7, 8, 9, 30, tzinfo=UTC)


def show(source: str, **context: Any) -> str:
    return Template(source).render(Context(context))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3_661, "1 h 1 min"),
        (86_400 * 12 + 3_600 * 4 + 59, "12 d 4 h"),
        (86_400 + 30, "1 d"),
        (-7_200, "2 h"),
    ],
)
def test_length_in_words(seconds: int, words: str) -> None:
    assert words_of(seconds) == words


@pytest.mark.parametrize(
    ("ends", "state", "tone", "words"),
    [
        (NOW + timedelta(days=12, hours=4), "running", "running", "12 d 4 h left"),
        (NOW + timedelta(hours=5), "running", "soon", "5 h left"),
        (NOW + timedelta(days=9), "paused", "soon", "Paused, 9 d left"),
        (NOW - timedelta(minutes=3), "running", "over", "Ended 3 min ago"),
        (None, "running", "quiet", "Clock not started"),
    ],
)
def test_clock_says_in_words_what_its_colour_says(ends: Any, state: str, tone: str, words: str) -> None:
    text = show("{% clock ends rule state now %}", ends=ends, rule="30 days", state=state, now=NOW)
    assert f"sw-clock--{tone}" in text
    assert words in text
    assert "30 days" in text


def test_clock_takes_milliseconds_and_text() -> None:
    ms = int((NOW + timedelta(days=4)).timestamp() * 1000)
    assert "4 d left" in show("{% clock ends now=now %}", ends=ms, now=NOW)
    assert "1 h left" in show("{% clock ends now=now %}", ends="2026-07-08T10:30:00.000Z", now=NOW)


def test_status_has_word_shape_and_tone() -> None:
    text = show("{% status_tag state %}", state="not_covered")
    assert "not covered" in text
    assert 'aria-hidden="true"' in text
    assert "&lt;b&gt;" in show("{% status_tag state %}", state="<b>")


def test_instant_is_exact_in_the_attribute() -> None:
    text = show("{% instant at %}", at=datetime(2026, 6, 20, 14, 2, 3, 456_000, tzinfo=UTC))
    assert 'datetime="2026-06-20T14:02:03.456Z"' in text
    assert "2026-06-20 14:02 UTC" in text
    assert show('{% instant at "never" %}', at=None) == "never"


class _Form(forms.Form):
    label = forms.CharField(help_text="what it is")
    size = forms.ChoiceField(choices=[("s", "small"), ("l", "large")], widget=forms.RadioSelect)
    agree = forms.BooleanField()


def test_field_ties_label_hint_and_error_together() -> None:
    form = _Form({"label": ""})
    text = show("{% for f in form %}{% field f %}{% endfor %}", form=form)
    assert '<label class="usa-label" for="id_label">' in text
    assert 'aria-describedby="id_label-hint id_label-error"' in text
    assert 'id="id_label-hint"' in text
    assert 'id="id_label-error"' in text
    assert text.count("<fieldset") == 1
    assert text.count('type="radio"') == 2
    assert 'class="usa-checkbox__input"' in text


def test_breadcrumbs_end_at_the_page_itself() -> None:
    text = show('{% breadcrumbs "Reviews" "/reviews/" "R-1" %}')
    assert 'href="/reviews/"' in text
    assert re.search(r'aria-current="page"[^>]*><span>R-1<', text)


@pytest.mark.parametrize("name", ["uswds.css", "slipway.css", "print.css"])
def test_stylesheets_parse_and_load_nothing_from_elsewhere(name: str) -> None:
    text = (STATIC / name).read_text()
    bad = [r for r in tinycss2.parse_stylesheet(text, skip_comments=True) if r.type == "error"]
    assert not bad, [(e.source_line, e.message) for e in bad]
    for address in re.findall(r"url\(\s*[\"']?([^\"')]*)", text):
        assert not address.startswith(("http", "//", "data:")), address
        assert not address or (STATIC / address).is_file(), address


def test_every_vendored_file_has_its_licence_noted() -> None:
    note = (STATIC / "VENDORED.md").read_text()
    for path in STATIC.rglob("*"):
        ours = path.name in ("slipway.css", "print.css", "slipway.js", "icon.svg", "VENDORED.md")
        if path.is_file() and not ours:
            known = path.name in note or path.suffix in (".svg", ".woff2")
            assert known, path


def test_theme_stays_small() -> None:
    """A page of the desk costs a newcomer less than 400 kB, fonts and all."""
    assert sum(p.stat().st_size for p in STATIC.rglob("*") if p.is_file()) < 400_000


def test_a_clock_stopped_before_its_end_does_not_say_when_it_ended() -> None:
    text = show(
        "{% clock ends rule state now %}", ends=NOW + timedelta(days=2), rule="", state="over", now=NOW
    )
    assert "Ended</span>" in text
    assert "ago" not in text


@pytest.mark.parametrize(
    ("words", "shown"), [("it broke", "it broke."), ("It broke.", "It broke."), ("Why?", "Why?")]
)
def test_words_of_others_end_as_one_sentence(words: str, shown: str) -> None:
    assert show("{{ words|sentence }}", words=words) == shown
