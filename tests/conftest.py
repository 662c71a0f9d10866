"""Fixtures for all tests."""

import os
import shutil
import signal
import tempfile
from collections import Counter
from pathlib import Path

import pytest

# One thread each, here and in every process that a test starts: pytest-xdist fills the cores with tests.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import torch  # noqa: E402, reads them as it is imported

torch.set_num_threads(1)
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # started in a shell's background; tests interrupt processes
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser):
    """``--write-golden``: see tests/training/test_golden.py."""
    parser.addoption("--write-golden", action="store_true", help="write tests/golden/ anew; move versions that changed")


def pytest_collection_modifyitems(items):
    """Whole runs of the engines first.

    They take longest and share what one of them has finished: first, they stay on one worker (pytest-xdist takes work
    away from a worker's end), and the others' many short tests fill the time beside them.
    """
    items.sort(key=lambda item: item.get_closest_marker("pipeline") is None)


@pytest.fixture(scope="session")
def forks():
    """Starts real processes without waiting for their imports."""
    from helpers.forks import Forks

    started = Forks()
    yield started
    started.close()


@pytest.fixture
def ram():
    """A folder for thousands of small files: in memory where the system has such a place."""
    memory = Path("/dev/shm")
    folder = tempfile.mkdtemp(prefix="ffrepro-test-", dir=memory if os.access(memory, os.W_OK) else None)
    yield Path(folder).resolve()
    shutil.rmtree(folder)


def pytest_terminal_summary(terminalreporter):
    """Where the time went, what was skipped and why, and how many faults the tests tried."""
    _time_by_folder(terminalreporter)
    _skipped(terminalreporter)
    _campaigns(terminalreporter)


def _time_by_folder(terminalreporter):
    """Seconds of the tests of each folder, all workers together: set-up and tear-down included."""
    seconds = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                seconds["/".join(report.nodeid.split("::")[0].split("/")[:2])] += report.duration
    if len(seconds) > 1:
        terminalreporter.section("seconds by folder")
        for folder, total in seconds.most_common():
            terminalreporter.line(f"{total:7.1f}  {folder}")


def _skipped(terminalreporter):
    reports = terminalreporter.stats.get("skipped", [])
    if reports:
        reasons = Counter(report.longrepr[2] for report in reports if isinstance(report.longrepr, tuple))
        terminalreporter.section(f"{len(reports)} skipped")
        for reason, count in reasons.most_common():
            terminalreporter.line(f"{count:6d}  {reason.removeprefix('Skipped: ')}")


def _campaigns(terminalreporter):
    """Those that record a property ``campaign`` of (what, how many)."""
    passed = terminalreporter.stats.get("passed", [])
    counts = [value for report in passed for name, value in report.user_properties if name == "campaign"]
    if counts:
        terminalreporter.section("faults without a traceback or a silent wrong")
        for what, count in counts:
            terminalreporter.line(f"{count:6d}  {what}")
        terminalreporter.line(f"{sum(count for _, count in counts):6d}  in all")


@pytest.fixture(scope="session")
def project_root():
    """The checkout's folder."""
    return Path(__file__).resolve().parents[1]
