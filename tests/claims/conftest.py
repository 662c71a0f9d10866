"""A made-up project with plans and records."""

from helpers.fixtures import chosen_numbers, nets, world  # noqa: F401
