"""Fixtures for all tests."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)


def pytest_addoption(parser):
    """``--write-golden``: see tests/training/test_golden.py."""
    parser.addoption("--write-golden", action="store_true", help="write tests/golden/ anew; move versions that changed")


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
    """How many faults the tests tried: those that record a property ``campaign`` of (what, how many)."""
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
