"""Settings: which a run needs, and the layers of a study that give them values. Later layers win."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ffrepro.base.settings import Declaration
from ffrepro.base.yamlfile import KeyPath
from ffrepro.pipeline.schema import Problem, found

WHEN = ("dataset", "treatment", "method", "variant", "experiment", "scale")


@dataclass(frozen=True)
class Setting:
    """A value, what it comes from, and the key that set it."""

    value: Any
    source: str
    path: KeyPath


@dataclass(frozen=True)
class Layer:
    """Values for the runs that fulfil every condition.

    Attributes:
        path: the key whose entries they are.
        when: one of ``WHEN`` -> the values that it may have.
        values: setting -> ``{"value": ..., "source": ...}``.
        places: condition -> the key that says it, of those that a person wrote.
    """

    path: KeyPath
    when: dict[str, list[str]]
    values: dict[str, dict[str, Any]]
    places: dict[str, KeyPath]

    @cached_property
    def settings(self) -> dict[str, Setting]:
        """Its values, each with its source and its key."""
        return {
            name: Setting(entry["value"], entry["source"], (*self.path, name)) for name, entry in self.values.items()
        }


@dataclass(frozen=True)
class Vocabulary:
    """Which settings there are: group -> name -> declaration (``pipeline.vocabulary``)."""

    groups: dict[str, dict[str, Declaration]]

    def having(self, name: str, groups: Iterable[str]) -> list[str]:
        """Those of ``groups`` that have a setting called ``name``."""
        return [group for group in groups if name in self.groups.get(group, {})]


def as_list(value: Any) -> list:
    """One value or a list of values, as a list."""
    return value if isinstance(value, list) else [value]


def merge(layers: list[Layer], context: dict[str, str]) -> dict[str, Setting]:
    """The settings that the layers give in a context (a value for each of ``WHEN``)."""
    merged: dict[str, Setting] = {}
    for layer in layers:
        if all(context[key] in wanted for key, wanted in layer.when.items()):
            merged |= layer.settings
    return merged


def pick(
    merged: dict[str, Setting], group: str, vocabulary: Vocabulary, *, at: KeyPath, who: str
) -> tuple[dict[str, Setting], list[Problem]]:
    """The settings of one group, in the vocabulary's order, checked against it.

    Args:
        at: the path of the study's settings, blamed for a missing one.
        who: the run in words, for messages.

    Returns:
        settings by name, problems (a setting is left out where there is a problem with it).
    """
    picked, problems = {}, []
    for name, declaration in vocabulary.groups[group].items():
        setting = merged.get(name)
        if setting is None:
            what = f"no block sets {name!r} ({group}), which {who} needs"
            fix = f"add it to the defaults or to a narrower block: {declaration.describe()}"
            problems.append(Problem((*at, name), what, fix))
        elif not declaration.allows(setting.value):
            what = f"expected {declaration.describe()}; {found(setting.value)}"
            problems.append(Problem((*setting.path, "value"), what, f"{name} ({group}): {declaration.meaning}"))
        else:
            picked[name] = setting
    return picked, problems
