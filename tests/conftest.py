"""What every test shares: a skip is a failure under CI, and earlier phases are named at the end.

``SLIPWAY_TEST_DB=postgres`` runs every test that has a database on a temporary
PostgreSQL cluster. ``./go test`` runs the checks before pytest and hands the names of those that
failed in ``SLIPWAY_FAILED_PHASES``, so that pytest's summary, which comes
last, does not read as if all were well.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests import postgres

UNDER_CI = os.environ.get("CI") == "true"
# Files whose tests follow one another or share something expensive (a desk with a browser, a whole
# demo, a built wheel): all tests of such a file go to one worker of xdist, all others one by one.
TOGETHER = ("tests/journeys/", "tests/cli/test_demo.py", "tests/test_wheel.py")


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


@pytest.fixture(scope="session")
def django_db_modify_db_settings() -> Iterator[None]:
    """Point Django at a temporary PostgreSQL cluster when the tests were asked to use one."""
    if not postgres.wanted():
        yield
        return
    from django.db import connections

    from slipway.desk.project.settings.database import postgresql

    with postgres.cluster() as url:
        connections.configure_settings({"default": postgresql(url)})
        connections.settings = connections.configure_settings({"default": postgresql(url)})
        if hasattr(connections._connections, "default"):
            del connections._connections.default
        yield
        for connection in connections.all():
            connection.close()
            if getattr(connection, "pool", None):
                connection.close_pool()


class FilesTogether(LoadScopeScheduling):
    """Deals tests to workers one by one, except that the files of :data:`TOGETHER` stay whole.

    Not ``--dist loadgroup``, which does nothing under pytest 9 (it renames tests
    in a way that pytest no longer looks at); not ``--dist loadfile``, which
    would run tests that empty the database before others.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::")[0]
        return file if file.startswith(TOGETHER) else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FilesTogether:
    """Use our scheduler, in the order of collection: pytest-django puts tests that empty tables last."""
    config.option.loadscopereorder = False
    return FilesTogether(config, log)
