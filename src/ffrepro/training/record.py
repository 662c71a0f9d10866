"""A run's folder: final files appear together, at the end; everything before that is in a partial folder.

The partial folder's name carries the plan's hash, so that a run resumes its own work and never another's. One process
at a time works on a run. It may be killed, or the disk may fill up, at any file operation: the same command then goes
on, and ends with the same record. At the end the final files are first written into the partial folder, where
``result.json``, written last, says that they are all there; then they are copied into place, ``result.json`` last
again, and only then the partial folder goes.
"""

from __future__ import annotations

import io
import json
import shutil
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch

from ffrepro.base import files, records
from ffrepro.base.errors import FfreproError
from ffrepro.base.lock import locked
from ffrepro.base.plans import result_hash
from ffrepro.base.reading import parse_json_lines
from ffrepro.base.records import LAST, METRICS, WEIGHTS

FINAL = (*records.RECORD["train"], WEIGHTS)


class Record:
    """The record of one plan.

    Args:
        folder: ``runs/<run>``.
        plan: the plan file's content.
    """

    def __init__(self, folder: Path, plan: dict):
        self.folder, self.plan = Path(folder), plan
        self.plan_sha256 = result_hash(plan)
        self.partial = records.partial(self.folder, self.plan_sha256)
        self._state, self._metrics = self.partial / "state.pt", self.partial / METRICS
        self._staged = self.partial / "final"

    def once(self, work: Callable[[], dict], *, again: bool = False) -> dict:
        """The run's result: of its finished record, or of ``work``, which leaves one.

        One process at a time works on a run. Others wait, and take the record that they then find.

        Args:
            again: work even if there is a finished record.
        """
        done = self.finished()
        if done is not None and not again and not self._is_half_published():
            return done
        with locked(records.lock(self.folder), self._say_waiting, remove=True) as waited:
            done = self._go_on_finishing() or self.finished()
            return work() if done is None or (again and not waited) else done

    def _is_half_published(self) -> bool:
        """Whether an earlier process had everything ready and did not come to its end."""
        return (self._staged / LAST).is_file() or any(self.folder.glob(".partial-*.done"))

    def _say_waiting(self, holder: str) -> None:
        print(f"{self.plan['run']}: {holder} is at work on this run: waiting for it", file=sys.stderr, flush=True)

    def finished(self) -> dict | None:
        """The result, if a whole record of exactly this plan is here."""
        return self._whole(self.folder)

    def _whole(self, folder: Path) -> dict | None:
        """The result in a folder, if its files are a whole record of exactly this plan."""
        try:
            if files.read_json(folder / "run.json")["plan_sha256"] != self.plan_sha256:
                return None
            result = files.read_json(folder / LAST)
            return result if records.flaw(folder, self.plan["kind"], result) is None else None
        except (OSError, ValueError, KeyError, TypeError, FfreproError):
            return None

    def save_state(self, state: dict) -> None:
        """Replace the checkpoint. The metrics that it counts on are on the disk before it."""
        if self._metrics.exists():
            files.flush(self._metrics)
        buffer = io.BytesIO()
        torch.save({**state, "plan_sha256": self.plan_sha256}, buffer)
        files.write_bytes(self._state, buffer.getvalue())

    def resume(self) -> dict | None:
        """The checkpoint, if there is one that goes with the metrics; lines of later epochs are cut off these.

        A checkpoint whose epochs are not all in the metrics (lost, doubled, half written) is given up, and said so.

        Raises:
            FfreproError: it cannot be read, or is of another plan.
        """
        state = self._read_state() if self._state.exists() else None
        if state is not None and self._lines(state["epoch"]) is None:
            epoch = state["epoch"]
            print(
                f"{self.plan['run']}: {METRICS} has not all of the checkpoint's {epoch} epochs: starts again",
                file=sys.stderr,
                flush=True,
            )
            self._state.unlink()
            state = None
        self.partial.mkdir(parents=True, exist_ok=True)
        files.write_text(self._metrics, "".join(self._lines(state["epoch"]) if state else []))
        return state

    def _read_state(self) -> dict:
        fix = "delete that file: the run then starts from its first epoch"
        try:
            state = torch.load(self._state, weights_only=True)
            plan = state.pop("plan_sha256", self.plan_sha256)  # checkpoints did not always say
            range(state["epoch"])
        except Exception as error:
            raise FfreproError(
                f"the checkpoint cannot be read ({type(error).__name__})", where=self._state, fix=fix
            ) from error
        if plan != self.plan_sha256:
            raise FfreproError("the checkpoint is of another plan", where=self._state, fix=fix)
        return state

    def _lines(self, epochs: int) -> list[str] | None:
        """The first lines of the metrics, None where they are not these epochs, one after the other."""
        try:
            lines = self._metrics.read_text(encoding="utf-8").splitlines(keepends=True)[:epochs]
            found = [parse_json_lines(line, self._metrics)[0]["epoch"] for line in lines if line.endswith("\n")]
        except (OSError, ValueError, KeyError, TypeError):
            return [] if epochs == 0 else None
        return lines if found == list(range(1, epochs + 1)) else None

    def load_weights(self) -> dict:
        """The weights that a finished run kept.

        Raises:
            FfreproError: there are none.
        """
        path = self.folder / WEIGHTS
        if not path.exists():
            raise FfreproError(
                "this run kept no weights",
                where=path,
                fix=f"train it with them: ffrepro train --force --keep-weights plan/{self.plan['run']}.json",
            )
        return torch.load(path, weights_only=True)

    def add_metrics(self, line: dict) -> None:
        """Append an epoch."""
        files.append_text(self._metrics, json.dumps(line) + "\n")

    def metrics(self) -> list[dict]:
        """The epochs so far."""
        return files.read_json_lines(self._metrics)

    def finish(
        self, run: dict, result: dict, arrays: dict[str, np.ndarray] | None = None, weights: dict | None = None
    ) -> None:
        """Write the final files and remove every partial folder of this run.

        Raises:
            FfreproError: the metrics are not the result's epochs; the record is not there in the end because somebody
                else removes its files. In both cases the partial folder stays.
        """
        if self._staged.exists():
            shutil.rmtree(self._staged)
        if METRICS in records.RECORD[self.plan["kind"]]:
            flaw = records.metrics_flaw(self._metrics.read_bytes(), result)
            if flaw or self._lines(result["epochs"]) is None:
                raise FfreproError(
                    f"these are not the {result['epochs']} epochs of this run: another process wrote there",
                    where=self._metrics,
                    fix="run the same command again, alone",
                )
            files.copy(self._metrics, self._staged / METRICS)
        files.write_json(self._staged / "run.json", run)
        if arrays is not None:
            with files.atomic_writer(self._staged / "arrays.npz") as file:
                np.savez_compressed(file, **arrays)
        if weights is not None:
            buffer = io.BytesIO()
            torch.save(weights, buffer)
            files.write_bytes(self._staged / WEIGHTS, buffer.getvalue())
        files.write_json(self._staged / LAST, result)
        self._publish()

    def _go_on_finishing(self) -> dict | None:
        """The result, where an earlier process had everything ready but did not put all of it into place."""
        _remove(self.folder.glob(".partial-*.done"))
        if not (self._staged / LAST).is_file():
            return None
        staged = self._whole(self._staged)
        if staged is None:  # lost files: only this run's checkpoint may be gone on from
            said = f"{self.plan['run']}: its finished files are damaged and are made again"
            print(said, file=sys.stderr, flush=True)
            shutil.rmtree(self._staged)
            return None
        if self.finished() == staged:  # only the partial folder was left to remove
            self._remove_partials()
            return None
        self._publish()
        return self.finished()

    def _publish(self) -> None:
        """Copy the final files into place, ``result.json`` last, and remove the partial folders."""
        (self.folder / LAST).unlink(missing_ok=True)  # no mixture of an older record and this one may count
        for name in sorted(FINAL, key=lambda name: name == LAST):
            for left in self.folder.glob(f".{name}.*"):  # of a killed process
                left.unlink()
            if (self._staged / name).is_file():
                files.copy(self._staged / name, self.folder / name)
            else:
                (self.folder / name).unlink(missing_ok=True)
        if self.finished() is None:
            raise FfreproError(
                "files of this record were removed while it was written",
                where=self.folder,
                fix="run the same command again: nothing is lost",
            )
        self._remove_partials()

    def _remove_partials(self) -> None:
        """Remove what there is nothing to go on with any more; half of it must not look as if there were."""
        self.partial.rename(self.partial.with_name(f"{self.partial.name}.done"))
        _remove(self.folder.glob(".partial-*"))


def _remove(folders: Iterable[Path]) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)  # the record is in place: what cannot go now goes next time
