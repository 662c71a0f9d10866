"""Settings: which a run needs, and the layers of params.yaml that give them values. Later layers win."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ffrepro.base.settings import Declaration
from ffrepro.base.yamlfile import KeyPath
from ffrepro.pipeline.schema import Problem, found

WHEN = ("dataset", "treatment", "method", "variant", "experiment", "scale", "kind")


@dataclass(frozen=True)
class Setting:
    """A value, what it comes from, and the key in params.yaml that set it."""

    value: Any
    source: str
    path: KeyPath


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


def matches(when: dict[str, Any], context: dict[str, str]) -> bool:
    """Whether a layer's ``when`` holds in a context (a value for each of ``WHEN``)."""
    return all(context[key] in as_list(wanted) for key, wanted in when.items())


def merge(layers: list[dict], context: dict[str, str], at: KeyPath) -> dict[str, Setting]:
    """The settings that the layers give in a context.

    Args:
        layers: ``settings`` of a paper.
        context: a value for each of ``WHEN``.
        at: the path of ``layers`` in params.yaml.
    """
    merged: dict[str, Setting] = {}
    for index, layer in enumerate(layers):
        if matches(layer.get("when", {}), context):
            for name, entry in layer["set"].items():
                merged[name] = Setting(entry["value"], entry["source"], (*at, index, "set", name))
    return merged


def pick(
    merged: dict[str, Setting], group: str, vocabulary: Vocabulary, *, at: KeyPath, who: str
) -> tuple[dict[str, Any], dict[str, str], list[Problem]]:
    """The settings of one group, in the vocabulary's order, checked against it.

    Args:
        at: the path of the paper's settings, blamed for a missing one.
        who: the run in words, for messages.

    Returns:
        values, sources, problems (a value is left out where there is a problem with it).
    """
    values, sources, problems = {}, {}, []
    for name, declaration in vocabulary.groups[group].items():
        setting = merged.get(name)
        if setting is None:
            what = f"no layer sets {name!r} ({group}), which {who} needs"
            problems.append(Problem((*at, name), what, f"add it to a layer's set: {declaration.describe()}"))
        elif not declaration.allows(setting.value):
            what = f"expected {declaration.describe()}; {found(setting.value)}"
            problems.append(Problem((*setting.path, "value"), what, f"{name} ({group}): {declaration.meaning}"))
        else:
            values[name], sources[name] = setting.value, setting.source
    return values, sources, problems
