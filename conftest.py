"""Real servers for every test of the workspace; where `OPSWIRE_NO_SKIPS=1` is set, a skipped test is a failed one."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

pytest_plugins = ["opswire.chassis.testing.fixtures"]


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if report.skipped and os.environ.get("OPSWIRE_NO_SKIPS") == "1":
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else getattr(report, "wasxfail", "")
        report.outcome = "failed"
        vars(report).pop("wasxfail", None)  # with it pytest would print the failure and still end with 0
        report.longrepr = f"{report.nodeid}: not run, and OPSWIRE_NO_SKIPS=1 refuses that ({reason})"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that skipped itself, or that is expected to fail, proves nothing."""
    report = yield
    _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Nor does a file that skipped itself as a whole."""
    report = yield
    _refuse_skip(report)
    return report
