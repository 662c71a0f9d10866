"""Fixtures that tests of several folders share; their conftest.py imports them."""

import pytest
from helpers.net_records import Nets
from helpers.plans import prepare_standin
from helpers.world import World

from ffrepro.training.parts import Place


@pytest.fixture
def world(tmp_path):
    """An empty project."""
    return World(tmp_path)


@pytest.fixture
def nets(world):
    return Nets(world)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    """Folder of prepared data."""
    folder = tmp_path_factory.mktemp("data")
    prepare_standin(folder, "mnist")
    prepare_standin(folder, "imdb")
    return prepare_standin(folder)


@pytest.fixture
def place(tmp_path, prepared):
    """An empty place to run in."""
    return Place(tmp_path, tmp_path / "runs", prepared)
