"""What every test shares: a skip is a failure under CI, and earlier phases are named at the end.

``./go test`` runs the checks before pytest and hands the names of those that
failed in ``SLIPWAY_FAILED_PHASES``, so that pytest's summary, which comes
last, does not read as if all were well.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any

import pytest

UNDER_CI = os.environ.get("CI") == "true"


def _reason(longrepr: Any) -> str:
    return str(longrepr[2]) if isinstance(longrepr, tuple) else str(longrepr)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Under CI=true turn a skipped test into a failed one that keeps its reason."""
    report = yield
    if UNDER_CI and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped under CI=true, which is a failure: {_reason(report.longrepr)}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a module that skips itself while it is collected."""
    report = yield
    if UNDER_CI and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"skipped under CI=true, which is a failure: {_reason(report.longrepr)}"
    return report


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Count skips and name the phases of ``./go test`` that failed before this one."""
    skipped = len(terminalreporter.stats.get("skipped", []))
    if skipped:
        terminalreporter.write_line(f"{skipped} test(s) were skipped; under CI=true each is a failure")
    failed = os.environ.get("SLIPWAY_FAILED_PHASES")
    if failed:
        terminalreporter.section("failed before these tests", red=True, bold=True)
        terminalreporter.write_line(failed)
