"""The harness of the benchmarks: pairs, goals, one JSON line a measure."""

from __future__ import annotations

import json

import pytest

from benchmarks.__main__ import markdown
from benchmarks._harness import Measure, compare, figure, holds, paired, unmeasured


def test_pairs_are_interleaved_and_alternate() -> None:
    order: list[str] = []

    def ours() -> float:
        order.append("a")
        return 2.0

    def theirs() -> float:
        order.append("b")
        return 4.0

    assert paired(ours, theirs, 4) == (0.5, 0.5, 0.5)
    assert "".join(order) == "abbaabba"


def test_median_and_spread() -> None:
    ours = iter([1.0, 9.0, 3.0])
    assert paired(lambda: next(ours), lambda: 1.0, 3) == (3.0, 1.0, 9.0)
    with pytest.raises(ValueError, match="at least 1"):
        paired(lambda: 1.0, lambda: 1.0, 0)


@pytest.mark.parametrize(
    "ratio,goal,kept",
    [(1.5, "<= 1.5", True), (1.51, "<= 1.5", False), (0.8, ">= 0.8", True), (0.79, ">= 0.8", False)],
)
def test_goals(ratio: float, goal: str, kept: bool) -> None:
    assert holds(ratio, goal) is kept


def test_a_goal_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(ValueError, match="written like"):
        holds(1.0, "about 3")


def test_lines() -> None:
    line = json.loads(compare("x", lambda: 3.0, "raw", lambda: 2.0, "<= 1.2", 3).as_json())
    assert line == {
        "name": "x",
        "versus": "raw",
        "ratio": 1.5,
        "spread": [1.5, 1.5],
        "goal": "<= 1.2",
        "ok": False,
    }
    bare = json.loads(figure("wall", [100.0, 120.0, 90.0], "seconds", "<= 180").as_json())
    assert (bare["ratio"], bare["ok"]) == (100.0, True)
    missing = json.loads(unmeasured("y", "nginx", "<= 9", "nginx is not installed").as_json())
    assert (missing["ok"], missing["note"]) == (False, "nginx is not installed")
    assert set(json.loads(Measure("z", "v", 1.0, (1.0, 1.0), "<= 1", True).as_json())) == {
        "name", "versus", "ratio", "spread", "goal", "ok",
    }  # fmt: skip


def test_the_table_says_no_where_a_goal_is_missed() -> None:
    lines = [
        json.loads(Measure("x", "raw", 0.5, (0.4, 0.6), ">= 0.8", False, "why").as_json()),
        json.loads(unmeasured("y", "nginx", "<= 9", "not there").as_json()),
    ]
    assert markdown(lines)[2:] == [
        "| x | raw | 0.5 | 0.4 – 0.6 | >= 0.8 | **no** | why |",
        "| y | nginx |  |  | <= 9 | **no** | not there |",
    ]
