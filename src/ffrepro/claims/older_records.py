"""Phases and layers of records that do not name them, derived from plan and metrics."""

from __future__ import annotations

from typing import Any

from ffrepro.core import updates


def phases(plan: dict[str, Any], result: dict[str, Any]) -> list[dict[str, Any]]:
    """Name, most epochs and the way to end of every phase, as a new record's ``phases``: as the plan declares them.

    ``epochs`` is missing: only metrics.jsonl knows it. Any phase but the last one may have stopped early where the plan
    has early stopping.
    """
    method, epochs = plan["method"], plan["training"]["max_epochs"]
    names = updates.phases(method.get("update"), layers(result), method.get("head"))
    early = "early_stopping" if "early_stop_epochs" in plan["training"] else "max_epochs"
    ends = [early] * (len(names) - 1) + [result["stopped_by"]]
    limits = [method["head_epochs"] if name == updates.HEAD else epochs for name in names]
    return [
        {"name": name, "max_epochs": limit, "stopped_by": end}
        for name, limit, end in zip(names, limits, ends, strict=True)
    ]


def layers(result: dict[str, Any]) -> int:
    """Layers that learn on their own, by their accuracies; 0 where there are none (backpropagation)."""
    return sum(name.startswith("test/accuracy_layer") for name in result["metrics"])
