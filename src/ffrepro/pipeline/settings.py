"""Settings: which a run needs, and the layers of a study that give them values. Later layers win."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ffrepro.pipeline.schema import Problem, check, describe, found
from ffrepro.pipeline.yamlfile import KeyPath

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


@dataclass(frozen=True)
class Vocabulary:
    """Which settings there are: group -> name -> JSON schema (workflow/schemas/settings.yaml)."""

    groups: dict[str, dict[str, dict]]
    _fits: dict[tuple[str, str, str], bool] = field(default_factory=dict, repr=False)

    def fits(self, group: str, name: str, value: Any) -> bool:
        """Whether ``value`` is allowed for a setting. Remembered: many runs share few values."""
        key = (group, name, json.dumps(value))
        if key not in self._fits:
            self._fits[key] = not check(value, self.groups[group][name])
        return self._fits[key]

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
            for name, entry in layer.values.items():
                merged[name] = Setting(entry["value"], entry["source"], (*layer.path, name))
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
    for name, schema in vocabulary.groups[group].items():
        setting = merged.get(name)
        if setting is None:
            what = f"no block sets {name!r} ({group}), which {who} needs"
            problems.append(
                Problem((*at, name), what, f"add it to the defaults or to a narrower block: {describe(schema)}")
            )
        elif not vocabulary.fits(group, name, setting.value):
            what = f"expected {describe(schema)}; {found(setting.value)}"
            problems.append(Problem((*setting.path, "value"), what, f"{name} belongs to {group} in settings.yaml"))
        else:
            picked[name] = setting
    return picked, problems
