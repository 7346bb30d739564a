"""The closing words of a test run: the exercise bank, what was skipped and why, three counts."""

from __future__ import annotations

from collections import Counter

import pytest

COUNTS: pytest.StashKey[str] = pytest.StashKey()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if terminalreporter.config.option.collectonly:
        return
    stats = terminalreporter.stats
    passed, skipped = len(stats.get("passed", [])), stats.get("skipped", [])
    failed = sum(len(stats.get(kind, [])) for kind in ("failed", "error", "xpassed"))
    expected = stats.get("xfailed", [])
    if any("course/exercises/test_bank" in report.nodeid for report in stats.get("passed", [])):
        from tests.course.exercises.answers.tables import report_lines  # it loads the whole bank

        terminalreporter.section("exercises")
        for line in report_lines():
            terminalreporter.write_line(line)
    reasons = Counter(reason_of(report) for report in [*skipped, *expected])
    if reasons:
        terminalreporter.section("skipped, and why")
        for reason, count in reasons.most_common():
            terminalreporter.write_line(f"{count:4} {reason}")
    terminalreporter.config.stash[COUNTS] = (
        f"{passed} passed, {failed} failed, {len(skipped) + len(expected)} skipped"
    )


def reason_of(report: pytest.TestReport | pytest.CollectReport) -> str:
    if isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: ")
    return getattr(report, "wasxfail", "") or "no reason given"


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    # After pytest's own last line, alone on a line: what a reader and a robot look for.
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter and (counts := config.stash.get(COUNTS, "")):
        reporter.write_line(counts)
