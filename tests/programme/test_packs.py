"""Policy packs: strict to read, and the only place where a rule's value is written."""

from __future__ import annotations

import ast
import importlib.util
import re
import tomllib
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import slipway.programme
from slipway.base.errors import InvalidInput
from slipway.programme import packs, windows
from slipway.programme.controls import CONTROLS, POLICY_ONLY
from slipway.programme.grants import GrantRequest, settle
from slipway.programme.packs import Head, Pack, Tag
from slipway.programme.roles import Role
from slipway.programme.rule import DecisionRule, RuleInput, Verdict, propose
from slipway.programme.stages import Act, ReleasePoint, ReviewState, Stage, apply

ROOT = Path(__file__).parents[2]
ROOM = Path(slipway.programme.__file__).parent
T0 = datetime(2026, 6, 20, 14, 2, tzinfo=UTC)
NAMES = packs.available()


def raw(name: str) -> str:
    return packs.load(name).raw.decode()


def problems(text: str) -> dict[str, str]:
    with pytest.raises(InvalidInput) as caught:
        packs.parse(text.encode())
    assert all(p.problem and p.fix for p in caught.value.problems)
    return {p.field: f"{p.problem}; {p.fix}" for p in caught.value.problems}


def test_the_packs_that_ship() -> None:
    assert NAMES == ("eo-14409", "eo-14409-public", "window-14", "window-90")
    for name in NAMES:
        pack = packs.load(name)
        assert pack.name == name
        assert {clause.head for clause in pack.terms} == set(Head)
        assert len(pack.digest) == 64 and len(pack.terms_digest) == 64
        assert packs.parse(pack.raw) == pack
    assert len({packs.load(name).digest for name in NAMES}) == len(NAMES)
    assert len({packs.load(name).terms_digest for name in NAMES}) == len(NAMES)


def test_the_order_and_its_press_telling_differ_only_in_what_the_days_count_back_from() -> None:
    order, press = packs.load("eo-14409"), packs.load("eo-14409-public")
    assert order.window.max_days == press.window.max_days == 30
    assert order.window.counts_back_from is ReleasePoint.PARTNER_RELEASE
    assert order.window.provenance.tag is Tag.EXCERPT
    assert press.window.counts_back_from is ReleasePoint.PUBLIC_RELEASE
    assert press.window.provenance.tag is Tag.SECONDARY
    same = ("grants", "terms", "rule", "obligations", "clocks", "limits", "partner_window")
    assert all(getattr(order, name) == getattr(press, name) for name in same)


def test_the_orders_duties_are_those_of_the_facts() -> None:
    due = {o.id: o.due for o in packs.load("eo-14409").obligations}
    second, first = date(2026, 7, 2), date(2026, 8, 1)
    assert due == {
        "nss-defence": second,
        "war-systems": second,
        "civilian-defence": second,
        "clearinghouse": second,
        "grant-funding": second,
        "workforce": first,
        "benchmarking": first,
        "determination": None,
        "framework": first,
        "enforcement": None,
    }


@pytest.mark.parametrize("name", NAMES)
def test_each_fact_carries_source_date_and_tag(name: str) -> None:
    """Stated on the file itself, so that a fact of a kind yet to come is held to it too."""
    values = tomllib.loads(raw(name))
    ids = {source["id"] for source in values["sources"]}
    facts: list[dict[str, Any]] = [values[k] for k in ("window", "partner_window", "grants", "rule")]
    for kind in ("terms", "obligations", "clocks"):
        facts += values[kind]
    for fact in facts:
        origin = fact["provenance"]
        assert origin["source"] in ids and origin["where"]
        assert isinstance(origin["date"], date) and origin["tag"] in {"X", "S", "I"}


# --- Nothing is hard-coded ----------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_the_windows_length_comes_from_the_pack(name: str) -> None:
    rule = packs.load(name).window
    window = windows.open_window(rule, T0)
    assert window.closes == T0 + timedelta(days=rule.default_days)
    assert window.latest == T0 + timedelta(days=rule.max_days)
    with pytest.raises(InvalidInput, match=f"give 1 to {rule.max_days}"):
        windows.open_window(rule, T0, days=rule.max_days + 1)


@pytest.mark.parametrize("name", NAMES)
def test_what_the_days_count_back_from_comes_from_the_pack(name: str) -> None:
    rule = packs.load(name).window
    window = windows.at_release(windows.open_window(rule, T0), ReleasePoint.PARTNER_RELEASE, T0)
    ends = rule.counts_back_from is ReleasePoint.PARTNER_RELEASE
    assert (window.ended_at is not None) is ends
    state = ReviewState(counts_back_from=rule.counts_back_from)
    for act, role in (
        (Act.OFFER, Role.RELEASE_MANAGER),
        (Act.AGREE, Role.EVALUATOR),
        (Act.OPEN_ACCESS, Role.RELEASE_MANAGER),
        (Act.RELEASE_PARTNERS, Role.RELEASE_MANAGER),
    ):
        state = apply(state, act, role)
    assert state.access == ("ended" if ends else "open")
    used = packs.load(name).window_for(Stage.PARTNERS)
    assert used is (packs.load(name).partner_window if ends else rule)


def changed(pack: Pack, pattern: str, value: str) -> Pack:
    text, count = re.subn(pattern, value, pack.raw.decode(), count=1, flags=re.S)
    assert count == 1
    return packs.parse(text.encode())


@settings(max_examples=30, deadline=None)
@given(days=st.integers(1, 366), name=st.sampled_from(NAMES))
def test_any_length_works_without_a_change_of_code(days: int, name: str) -> None:
    base = changed(
        packs.load(name),
        r"\[window\]\nmax_days = \d+\ndefault_days = \d+",
        f"[window]\nmax_days = {days}\ndefault_days = {days}",
    )
    assert windows.open_window(base.window, T0).closes == T0 + timedelta(days=days)


@settings(max_examples=50, deadline=None)
@given(line=st.integers(10, 100), lower=st.integers(0, 100))
def test_the_decision_line_comes_from_the_pack(line: int, lower: int) -> None:
    text = f"{line / 100:.2f}"
    rule = changed(packs.load("eo-14409"), r'line = "[^"]*"', f'line = "{text}"').rule
    assert rule.line == Decimal(text)
    low = Decimal(lower) / 100
    figures = RuleInput(low, low, Decimal(1), 20, 5, 0, True, True, Decimal("0.1"))
    assert (propose(rule, figures).verdict is Verdict.COVERED) == (lower >= line)


def test_grant_defaults_come_from_the_pack() -> None:
    seen = set()
    for name in NAMES:
        rules = packs.load(name).grants
        terms = settle(rules, GrantRequest(purpose="try it"), T0, None)
        assert terms.not_after == T0 + timedelta(days=rules.max_days)
        assert terms.access_level == rules.default_level
        assert terms.content_policy == rules.content_policies[0]
        assert terms.requests_per_minute == rules.defaults.requests_per_minute
        assert terms.budget_tokens == rules.defaults.budget_tokens
        seen.add((terms.access_level, terms.content_policy, terms.concurrency, rules.max_days))
    assert len(seen) == 3  # the two tellings of the order share theirs


def test_obligations_and_terms_differ_from_pack_to_pack() -> None:
    for field in ("terms", "obligations", "rule", "grants", "clocks"):
        values = {repr(getattr(packs.load(name), field)) for name in NAMES if name != "eo-14409-public"}
        assert len(values) == 3, field


def test_the_code_of_the_room_holds_no_number_of_days() -> None:
    """The lengths of the shipped windows appear in no module of the room."""
    lengths = {packs.load(name).window.max_days for name in NAMES}
    assert lengths == {14, 30, 90}
    for path in ROOM.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and not isinstance(node.value, str | bytes | bool):
                assert node.value not in lengths, f"{path.name}:{node.lineno}"


# --- Strict -------------------------------------------------------------------


def test_all_problems_are_reported_together_with_field_and_fix() -> None:
    text = raw("eo-14409")
    for old, new in (
        ('version = "2026.1"', 'verzion = "2026.1"'),
        ("max_days = 30\ndefault_days = 30", "max_days = 400\ndefault_days = 30"),
        ('extendable_by = "developer"', 'extendable_by = "agency"'),
        ('line = "0.50"', "line = 0.5"),
        ('control = "visibility"', 'control = "force field"'),
        ("due = 2026-07-02", 'due = "soon"'),
        ('tag = "X"', 'tag = "Q"'),
    ):
        assert old in text
        text = text.replace(old, new, 1)
    found = problems(text)
    assert set(found) == {
        "version",
        "verzion",
        "window.max_days",
        "window.extendable_by",
        "rule.line",
        "terms[0].control",
        "obligations[0].due",
        "sources[0].tag",
    }
    assert "did you mean version" in found["verzion"]
    assert "0 to 1" in found["rule.line"]


@pytest.mark.parametrize(
    ("old", "new", "field", "says"),
    [
        ("schema = 1", "schema = 2", "schema", "give 1 to 1"),
        ("schema = 1", "schema = true", "schema", "not a whole number"),
        ("[window]\n", "[window]\nveto = true\n", "window.veto", "unknown key"),
        (
            'provenance = { source = "order"',
            'provenance = { source = "blog"',
            "window.provenance.source",
            "not among the sources",
        ),
        (
            "default_days = 30\ncounts",
            "default_days = 31\ncounts",
            "window.default_days",
            "more than max_days",
        ),
        (
            'counts_back_from = "partner_release"',
            'counts_back_from = "mars"',
            "window.counts_back_from",
            "partner_release, public_release",
        ),
        (
            'counts_back_from = "public_release"',
            'counts_back_from = "partner_release"',
            "partner_window.counts_back_from",
            "after that release",
        ),
        ('margin = "0.05"', 'margin = "0.6"', "rule.margin", "more than the line"),
        ('confidence = "0.95"', 'confidence = "95"', "rule.confidence", "out of range"),
        (
            'endpoint = "generalised accuracy"',
            'endpoint = "vibes"',
            "rule.endpoint",
            "fixed-benchmark accuracy",
        ),
        ('id = "conf-content"', 'id = "conf-existence"', "terms[1].id", "used twice"),
        ('default_level = "AL1"', 'default_level = "AL9"', "grants.default_level", "not among the levels"),
        ('["commit", "metadata"]', '["commit", "everything"]', "grants.content_policies", "not known"),
        (
            'routes = ["/v1/chat/completions", "/v1/models"]',
            'routes = ["/admin"]',
            "grants.routes",
            "not a route",
        ),
        (
            "concurrency = 16\n",
            "concurrency = 9999\n",
            "grants.defaults.concurrency",
            "more than its maximum",
        ),
        ("date = 2026-11-02", "date = 2026-11-02T00:00:00", "date", "not a day"),
        ('title = "Executive', 'title = "  ', "title", "blank"),
        ("hours = 168", "hours = 0", "clocks[0].hours", "out of range"),
        ('name = "eo-14409"', 'name = "EO 14409"', "name", "not a short name"),
        ("limits = [", "limits = [1, ", "limits", "not text"),
        ("[[clocks]]", "[clocks]", "clocks", "a list"),
    ],
)
def test_a_wrong_value_names_its_field(old: str, new: str, field: str, says: str) -> None:
    text = raw("eo-14409")
    if field == "title":
        text = re.sub(r'^title = "[^"]*"', 'title = "  "', text, count=1, flags=re.M)
    else:
        assert old in text
        text = text.replace(old, new, 1)
        if old.startswith("provenance"):
            text = text.replace('tag = "X" }', 'tag = "X" }', 1)
    found = problems(text)
    assert field in found, found
    assert says in found[field]


def test_a_missing_length_brings_no_second_problem_of_its_own() -> None:
    text = raw("window-14").replace("max_days = 14\ndefault_days = 10", "max_days = -4", 1)
    found = [p for p in problems(text) if p.startswith("window.")]
    assert found == ["window.max_days", "window.default_days"]


def test_a_missing_table_is_one_problem() -> None:
    text = re.sub(r"\[partner_window\].*?\n\n", "", raw("eo-14409"), count=1, flags=re.S)
    assert set(problems(text)) == {"partner_window"}


def test_a_head_without_a_clause_is_refused() -> None:
    text = raw("window-14").replace('head = "insider risk"', 'head = "confidentiality"')
    assert "insider risk" in problems(text)["terms"]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"\xff\xfe", "not UTF-8"),
        (b"name = ", "not TOML"),
        (b"a = 1\na = 2", "not TOML"),
        (b"#" * 300_000, "300000 bytes"),
        (b"x = " + b"[" * 5000 + b"]" * 5000, "not TOML"),
    ],
)
def test_a_file_that_is_no_pack(data: bytes, says: str) -> None:
    with pytest.raises(InvalidInput, match=says) as caught:
        packs.parse(data)
    assert [p.field for p in caught.value.problems] == ["file"]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_damaged_pack_is_read_as_a_pack_or_refused(data: st.DataObject) -> None:
    """Whatever a file holds, the answer is a pack or InvalidInput, never another error."""
    good = packs.load("window-14").raw
    at = data.draw(st.integers(0, len(good)))
    cut = data.draw(st.integers(0, 40))
    filling = data.draw(st.binary(max_size=12))
    bad = good[:at] + filling + good[at + cut :]
    try:
        pack = packs.parse(bad)
    except InvalidInput:
        return
    assert pack.window.extendable_by == "developer"
    assert pack.raw == bad


def test_a_name_never_opens_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(packs.load("window-14").raw)
    assert packs.load(path).name == "window-14"
    for name in (str(path), "../packs/eo-14409", "eo-14409.toml", "", "nothing"):
        with pytest.raises(InvalidInput, match="choose one of eo-14409") as caught:
            packs.load(name)
        assert caught.value.problems[0].field == "pack"
    with pytest.raises(InvalidInput, match="cannot be read"):
        packs.load(tmp_path / "missing.toml")


def test_the_terms_digest_changes_with_a_word_and_with_nothing_else() -> None:
    pack = packs.load("window-90")
    reworded = changed(pack, "Access ends with the window", "Access may end with the window")
    commented = packs.parse(b"# a remark\n" + pack.raw)
    assert reworded.terms_digest != pack.terms_digest
    assert commented.terms_digest == pack.terms_digest and commented.digest != pack.digest


# --- Clauses do not claim more than is enforced --------------------------------


@pytest.mark.parametrize("name", list(CONTROLS))
def test_each_control_is_enforced_by_a_module_and_proved_by_a_test_that_exist(name: str) -> None:
    control = CONTROLS[name]
    assert importlib.util.find_spec(control.enforced_in) is not None
    path = ROOT / control.proved_by
    tests = [path] if path.is_file() else list(path.rglob("test_*.py"))
    assert tests and all(test.is_file() for test in tests)
    assert control.title and control.does and control.leaves_open


def test_every_control_is_used_and_some_clauses_are_policy_only() -> None:
    used = {clause.control for name in NAMES for clause in packs.load(name).terms}
    assert used - {POLICY_ONLY} == set(CONTROLS)
    order = [clause.control for clause in packs.load("eo-14409").terms]
    assert POLICY_ONLY in order


def test_the_rule_survives_a_record() -> None:
    for name in NAMES:
        rule = packs.load(name).rule
        assert DecisionRule.from_dict(rule.as_dict()) == rule
