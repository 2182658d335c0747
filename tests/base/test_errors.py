"""Errors: all problems at once, stable codes, the same text over the wire."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.base import errors
from slipway.base.errors import (
    Exit,
    InvalidInput,
    NotFound,
    Problem,
    ProblemList,
    Refused,
    SlipwayError,
    Unavailable,
    problems_from_json,
)
from slipway.base.results import Check, Skipped, Status

TEXT = st.text(min_size=1, max_size=30)
PROBLEMS = st.lists(st.builds(Problem, TEXT, TEXT, TEXT), min_size=1, max_size=5)


@given(PROBLEMS)
def test_problems_survive_the_wire(problems: list[Problem]) -> None:
    error = InvalidInput(problems, what="offer")
    body = json.loads(json.dumps(error.as_problem()))
    assert problems_from_json(body) == tuple(problems)
    assert body["status"] == 422 and body["title"] == "offer was refused"
    assert all(str(p) in str(error) for p in problems)


def test_reading_problems_from_somebody_elses_answer_never_fails() -> None:
    assert problems_from_json({}) == ()
    assert problems_from_json({"errors": None}) == ()
    assert problems_from_json({"errors": ["text", {}]}) == (Problem("?", "?", "?"),)


def test_an_invalid_input_without_a_problem_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="at least one"):
        InvalidInput([])


def test_a_problem_list_collects_and_raises_once() -> None:
    found = ProblemList("pack")
    found.raise_if_any()
    assert not found
    found.add("a", "wrong", "right")
    found.extend([Problem("b", "wrong", "right")])
    assert found and [p.field for p in found.problems] == ["a", "b"]
    with pytest.raises(InvalidInput, match="pack was refused: a: wrong; right; b: wrong; right"):
        found.raise_if_any()


@pytest.mark.parametrize(
    ("error", "code", "status", "exit_code"),
    [
        (SlipwayError("x"), "slipway.error", 400, Exit.INVALID),
        (InvalidInput([Problem("a", "b", "c")]), "input.invalid", 422, Exit.INVALID),
        (Refused("x"), "act.refused", 409, Exit.REFUSED),
        (Refused("x", code="window.ended"), "window.ended", 409, Exit.REFUSED),
        (NotFound("x"), "not_found", 404, Exit.INVALID),
        (Unavailable("x"), "unavailable", 503, Exit.UNAVAILABLE),
    ],
)
def test_codes_and_statuses_are_stable(error: SlipwayError, code: str, status: int, exit_code: Exit) -> None:
    """Published: a change here breaks clients."""
    problem = error.as_problem()
    assert (problem["code"], problem["status"]) == (code, status)
    assert problem["type"] == f"urn:slipway:problem:{code}"
    assert error.exit_code is exit_code


def test_exit_codes_are_stable() -> None:
    assert {e.name: int(e) for e in Exit} == {
        "OK": 0,
        "INVALID": 1,
        "USAGE": 2,
        "UNDECIDABLE": 3,
        "REFUSED": 4,
        "UNAVAILABLE": 5,
        "INCOMPLETE": 6,
        "INTERNAL": 70,
    }
    assert errors.Exit(0) is Exit.OK


def test_results_are_plain() -> None:
    check = Check("tree", Status.NOT_CHECKED, "no tree given")
    assert check.as_dict() == {"name": "tree", "status": "not checked", "reason": "no tree given"}
    assert Skipped("a", "b") == Skipped("a", "b")
