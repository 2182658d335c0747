"""Charts: valid SVG that says in words and in a table what it shows."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.desk.theme import charts

SVG = "{http://www.w3.org/2000/svg}"

EXAMPLES: dict[str, Callable[[], str]] = {
    "bar": lambda: charts.bar(
        "Tokens", [charts.Bar("Reading", 12), charts.Bar("Writing", Decimal("3.5"), "3.5 k")]
    ),
    "bar empty": lambda: charts.bar("Tokens", []),
    "bar zero": lambda: charts.bar("Tokens", [charts.Bar("None", 0)]),
    "intervals": lambda: charts.intervals(
        "Success rate by family",
        [
            charts.Interval("Vulnerability discovery", 0.58, 0.32, 0.81, "7 of 12"),
            charts.Interval("Privilege escalation", Decimal("0.1"), 0, Decimal("0.35")),
        ],
        threshold=0.5,
        threshold_label="rule",
    ),
    "intervals empty": lambda: charts.intervals("Nothing", []),
    "line": lambda: charts.line(
        "Requests",
        [charts.Series("plain", [(0, 1), (1, 4)]), charts.Series("streamed", [(0, 2), (1, 2)])],
        x_label="hour",
        y_label="requests",
    ),
    "line one point": lambda: charts.line("Requests", [charts.Series("plain", [(3, 7)])]),
    "line empty": lambda: charts.line("Requests", []),
    "heat": lambda: charts.heat_strip(
        "Items", [charts.Cell("i1", 1, "pass"), charts.Cell("i2", 0), charts.Cell("i3", None)]
    ),
    "heat empty": lambda: charts.heat_strip("Items", []),
}


def parts(markup: str) -> tuple[ElementTree.Element, ElementTree.Element]:
    """Return the figure and the SVG; raise when the markup is not well-formed XML."""
    figure = ElementTree.fromstring(markup)
    svg = figure.find(f".//{SVG}svg")
    assert svg is not None
    return figure, svg


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_chart_is_xml_with_title_desc_and_table(name: str) -> None:
    figure, svg = parts(EXAMPLES[name]())
    title, desc = svg.find(f"{SVG}title"), svg.find(f"{SVG}desc")
    assert title is not None and title.text
    assert desc is not None and desc.text
    assert svg.get("role") == "img"
    assert svg.get("aria-labelledby") == f"{title.get('id')} {desc.get('id')}"
    assert figure.find("figcaption") is not None
    assert figure.find(".//table/thead") is not None


@pytest.mark.parametrize("name", EXAMPLES)
def test_no_style_or_script_that_the_policy_would_block(name: str) -> None:
    _, svg = parts(EXAMPLES[name]())
    for element in svg.iter():
        assert not element.tag.endswith(("style", "script"))
        assert not [a for a in element.attrib if a == "style" or a.startswith("on")]


@pytest.mark.parametrize("name", EXAMPLES)
def test_everything_drawn_lies_inside_the_picture(name: str) -> None:
    _, svg = parts(EXAMPLES[name]())
    _, _, width, height = (float(v) for v in svg.get("viewBox", "").split())
    for element in svg.iter():
        for key, most in (
            ("x", width),
            ("x1", width),
            ("x2", width),
            ("cx", width),
            ("y", height),
            ("cy", height),
        ):
            if key in element.attrib:
                assert -0.01 <= float(element.attrib[key]) <= most + 0.01, (element.tag, element.attrib)


def test_numbers_stand_in_the_table_and_the_description() -> None:
    figure, svg = parts(EXAMPLES["intervals"]())
    cells = [cell.text for cell in figure.iter() if cell.tag in ("td", "th")]
    assert {"58 %", "32 %", "81 %", "7 of 12"} <= set(cells)
    desc = svg.find(f"{SVG}desc")
    assert desc is not None and desc.text is not None
    assert "Vulnerability discovery: 58 %, interval 32 % to 81 %" in desc.text


def test_missing_is_not_drawn_as_zero() -> None:
    _, zero = parts(charts.heat_strip("Items", [charts.Cell("i", 0)]))
    figure, missing = parts(charts.heat_strip("Items", [charts.Cell("i", None)]))
    assert len(missing.findall(f".//{SVG}line")) == 2
    assert not zero.findall(f".//{SVG}line")
    assert "missing" in ElementTree.tostring(figure, encoding="unicode")


def test_same_data_makes_the_same_bytes_and_other_data_other_ids() -> None:
    assert EXAMPLES["bar"]() == EXAMPLES["bar"]()
    ids = [re.findall(r'id="(\w+)"', EXAMPLES[name]()) for name in EXAMPLES]
    flat = [i for group in ids for i in group]
    assert len(flat) == len(set(flat))


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_text_is_escaped(label: str, title: str) -> None:
    clean = re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "", label + "<b>&\"'")
    figure, _ = parts(charts.bar(re.sub(r"[^\x20-\ud7ff]", "", title) + "<i>", [charts.Bar(clean, 1)]))
    assert figure.find(".//b") is None
    assert figure.find(".//i") is None


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_no_picture_of_what_is_no_number(value: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        charts.bar("x", [charts.Bar("a", value)])
    with pytest.raises(ValueError, match="finite"):
        charts.intervals("x", [charts.Interval("a", value, 0, 1)])


@given(
    st.floats(-1e6, 1e6),
    st.floats(-1e6, 1e6),
    st.lists(st.tuples(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9)), min_size=1, max_size=6),
)
def test_any_points_make_a_picture_with_round_ticks(
    low: float, high: float, points: list[tuple[float, float]]
) -> None:
    _, svg = parts(charts.line("x", [charts.Series("a", points), charts.Series("b", [(low, high)])]))
    assert 3 <= len(svg.findall(f".//{SVG}text")) <= 20
    for dot in svg.findall(f".//{SVG}circle"):
        assert 0 <= float(dot.attrib["cx"]) <= charts.WIDTH
        assert 0 <= float(dot.attrib["cy"]) <= 300


def test_senseless_scales_are_refused() -> None:
    with pytest.raises(ValueError, match="high"):
        charts.intervals("x", [], low=1, high=1)
    with pytest.raises(ValueError, match="columns"):
        charts.heat_strip("x", [], columns=0)
    with pytest.raises(ValueError, match="series"):
        charts.line("x", [charts.Series(str(n), [(0, 0)]) for n in range(5)])
