"""Two prepared stand-in sets for all tests of the training core."""

from helpers.fixtures import place, prepared  # noqa: F401
