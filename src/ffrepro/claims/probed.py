"""What functions of a study's ``probes`` say of prepared upstream data, computed or as committed.

The data are not committed. What was found in them is, in ``reports/reference/probes.json`` (paper -> probe -> data
set), with the fingerprint of the data and the hash of the module that computed it: where either is another one, the
value counts for nothing.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

from ffrepro.base import files, studies
from ffrepro.base.names import unknown
from ffrepro.claims import load, reference

FILE = f"{reference.FOLDER}/probes.json"
_MODULE = "probes"
_PREPARED = "data/prepared/upstream"


def value(root: Path, paper: str, dataset: str, name: str) -> float | None:
    """A probe's value: of the data if they are prepared here, else the committed one of the same data, else None.

    Raises:
        FfreproError: the study has no such function.
    """
    module = studies.module(paper, _MODULE)
    known = (
        [key for key, found in vars(module).items() if callable(found) and not key.startswith("_")] if module else []
    )
    if module is None or name not in known:
        raise unknown("probe", name, known, where=f"claims of {paper}")
    path = _prepared(root, dataset)
    if path.is_file():
        return getattr(module, name)(path)
    committed = _committed(root).get(paper, {}).get(name, {}).get(dataset)
    manifest = root / reference.FOLDER / "data" / f"{dataset}.json"
    stands = committed and manifest.is_file() and _proof(manifest, module).items() <= committed.items()
    return committed["value"] if stands else None


def keep(root: Path) -> list[str]:
    """Commit what the claims' probes say of the data that are prepared here and that committed records are of.

    Returns:
        ``paper probe dataset`` of every value that was computed.
    """
    kept, computed = _committed(root), []
    for paper in load.papers():
        module = studies.module(paper, _MODULE) if (root / _PREPARED).is_dir() else None
        checks = [claim.get("check", {}) for claim in load.load(root, paper).claims.values()] if module else []
        for name, dataset in ((c["probe"], dataset) for c in checks if "probe" in c for dataset in c["datasets"]):
            path, manifest = _prepared(root, dataset), root / reference.FOLDER / "data" / f"{dataset}.json"
            if not path.is_file() or not manifest.is_file():
                continue
            proof = _proof(manifest, module)
            entries = kept.setdefault(paper, {}).setdefault(name, {})
            same = files.read_json(path.with_suffix(".json"))["fingerprint"] == proof["fingerprint"]
            if same and not proof.items() <= entries.get(dataset, {}).items():
                entries[dataset] = {"value": getattr(module, name)(path), **proof}
                computed.append(f"{paper} {name} {dataset}")
    if computed:
        files.write_text_if_changed(root / FILE, files.dump_json(kept))
    return computed


def code_of(module: ModuleType) -> str:
    """Hash of a module's source."""
    return files.sha256_file(str(module.__file__))


def _prepared(root: Path, dataset: str) -> Path:
    return root / _PREPARED / f"{dataset}.npz"


def _committed(root: Path) -> dict[str, Any]:
    return files.read_json(root / FILE) if (root / FILE).is_file() else {}


def _proof(manifest: Path, module: ModuleType) -> dict[str, str]:
    """What a value was computed from: these data, by this code."""
    return {"fingerprint": files.read_json(manifest)["fingerprint"], "code": code_of(module)}
