"""A made-up project with plans and records; prepared stand-in sets and a place to run in."""

from helpers.fixtures import chosen_numbers, nets, place, prepared, world  # noqa: F401
