"""A made-up project with plans and records."""

from helpers.fixtures import nets, world  # noqa: F401
