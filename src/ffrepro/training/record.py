"""A run's folder: final files appear together, at the end; everything before that is in a partial folder.

The partial folder's name carries the plan's hash, so that a run resumes its own work and never another's.
"""

from __future__ import annotations

import io
import json
import os
import shutil
from pathlib import Path

import numpy as np
import torch

from ffrepro.base import files
from ffrepro.base.errors import FfreproError
from ffrepro.base.plans import substance

FINAL = ("run.json", "metrics.jsonl", "result.json", "arrays.npz")


class Record:
    """The record of one plan.

    Args:
        folder: ``runs/<run>``.
        plan: the plan file's content.
    """

    def __init__(self, folder: Path, plan: dict):
        self.folder, self.plan = Path(folder), plan
        self.plan_sha256 = substance(plan)
        self.partial = self.folder / f".partial-{self.plan_sha256[:12]}"
        self._state, self._metrics = self.partial / "state.pt", self.partial / "metrics.jsonl"

    def finished(self) -> dict | None:
        """The result, if a finished record of exactly this plan is here."""
        try:
            run = files.read_json(self.folder / "run.json")
            return files.read_json(self.folder / "result.json") if run["plan_sha256"] == self.plan_sha256 else None
        except (OSError, ValueError, KeyError):
            return None

    def save_state(self, state: dict) -> None:
        """Replace the checkpoint."""
        buffer = io.BytesIO()
        torch.save(state, buffer)
        files.write_bytes(self._state, buffer.getvalue())

    def load_state(self) -> dict | None:
        """The checkpoint, if there is one.

        Raises:
            FfreproError: it cannot be read.
        """
        if not self._state.exists():
            return None
        try:
            return torch.load(self._state, weights_only=True)
        except Exception as error:
            raise FfreproError(
                f"the checkpoint cannot be read ({type(error).__name__})",
                where=self._state,
                fix="delete that file: the run then starts from its first epoch",
            ) from error

    def load_weights(self) -> dict:
        """The weights that a finished run kept.

        Raises:
            FfreproError: there are none.
        """
        path = self.folder / "weights.pt"
        if not path.exists():
            raise FfreproError(
                "this run kept no weights",
                where=path,
                fix=f"train it with them: ffrepro train --force --keep-weights plan/{self.plan['run']}.json",
            )
        return torch.load(path, weights_only=True)

    def start_metrics(self, epochs: int) -> None:
        """Keep the first ``epochs`` lines of the metrics: those that the checkpoint knows of."""
        self.partial.mkdir(parents=True, exist_ok=True)
        lines = self._metrics.read_text().splitlines(keepends=True) if self._metrics.exists() else []
        files.write_text(self._metrics, "".join(lines[:epochs]))

    def add_metrics(self, line: dict) -> None:
        """Append an epoch."""
        with open(self._metrics, "a") as file:
            file.write(json.dumps(line) + "\n")

    def metrics(self) -> list[dict]:
        """The epochs so far."""
        return [json.loads(line) for line in self._metrics.read_text().splitlines()]

    def finish(
        self, run: dict, result: dict, arrays: dict[str, np.ndarray] | None = None, weights: dict | None = None
    ) -> None:
        """Write the final files, ``result.json`` last, and remove every partial folder of this run."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in FINAL:
            (self.folder / name).unlink(missing_ok=True)
        files.write_json(self.folder / "run.json", run)
        if arrays is not None:
            with files.atomic_writer(self.folder / "arrays.npz") as file:
                np.savez_compressed(file, **arrays)
        if weights is not None:
            buffer = io.BytesIO()
            torch.save(weights, buffer)
            files.write_bytes(self.folder / "weights.pt", buffer.getvalue())
        if self._metrics.exists():
            os.replace(self._metrics, self.folder / "metrics.jsonl")
        files.write_json(self.folder / "result.json", result)
        for partial in self.folder.glob(".partial-*"):
            shutil.rmtree(partial)
