"""Two prepared stand-in sets for all tests of the training core."""

import pytest
from helpers.plans import prepare_standin

from ffrepro.training.parts import Place


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    """Folder of prepared data."""
    folder = tmp_path_factory.mktemp("data")
    prepare_standin(folder, "mnist")
    return prepare_standin(folder)


@pytest.fixture
def place(tmp_path, prepared):
    """An empty place to run in."""
    return Place(tmp_path, tmp_path / "runs", prepared)
