"""What all tests share: one cache of real weights, and skips that count as failures where they must."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from lying_server import LyingServer

from ml4a.weights.sources import https

ROOT = Path(__file__).resolve().parents[1]

# The same examples each time, so that what fails has to do with what was changed; `ML4A_TEST_FUZZ=10` looks further.
hypothesis.settings.register_profile("seeded", derandomize=True)
if "ML4A_TEST_FUZZ" not in os.environ:
    hypothesis.settings.load_profile("seeded")


def pytest_configure() -> None:
    """Give all tests, and the processes that they start, one home of their own: weights are downloaded once.

    The home outlives the run. `ML4A_TEST_HOME` puts it elsewhere.
    """
    for name in [name for name in os.environ if name.startswith("ML4A_") and not name.startswith("ML4A_TEST_")]:
        del os.environ[name]
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # or each of those processes would compile everything anew
    os.environ["ML4A_HOME"] = os.environ.get("ML4A_TEST_HOME") or str(ROOT / ".cache" / "ml4a")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Turn a skipped test into a failed one under `ML4A_TEST_REQUIRE=all`."""
    report = yield
    return _required(report)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    """Turn a skipped file into a failed one under `ML4A_TEST_REQUIRE=all`."""
    report = yield
    return _required(report)


def _required(report):
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("ML4A_TEST_REQUIRE") == "all":
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"skipped, but ML4A_TEST_REQUIRE=all: {reason}"
    return report


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty `ML4A_HOME` for one test; for the processes that it starts, too."""
    folder = tmp_path / "home"
    monkeypatch.setenv("ML4A_HOME", str(folder))
    return folder


@pytest.fixture
def server() -> Iterator[LyingServer]:
    """A local web server that lies as it is told."""
    with LyingServer() as running:
        yield running


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let downloads wait for milliseconds where they would wait for seconds."""
    monkeypatch.setattr(https, "PAUSE", 0.01)
    monkeypatch.setattr(https, "LONGEST_PAUSE", 0.05)
    monkeypatch.setattr(https, "STALL", 0.5)
