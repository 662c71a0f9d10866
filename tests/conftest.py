"""Fixtures for all tests."""

from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def project_root():
    """The checkout's folder."""
    return Path(__file__).resolve().parents[1]
