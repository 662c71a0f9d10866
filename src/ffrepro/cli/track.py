"""``ffrepro track``: mirror run records to MLflow."""

from __future__ import annotations

import argparse
import os

from ffrepro import tracking
from ffrepro.base import files
from ffrepro.cli import common, project
from ffrepro.pipeline import params
from ffrepro.pipeline.workspace import open_workspace

_EPILOG = """\
example:
  ffrepro track && mlflow ui --backend-store-uri sqlite:///mlflow.db
  ffrepro track --scale paper --committed      the evidence of reports/reference too, without running anything

Idempotent: a record that has not changed is skipped. Delete the database and run it again to rebuild it.
MLFLOW_TRACKING_URI wins over params.yaml's `mlflow`.
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the program's parser."""
    parser = subparsers.add_parser(
        "track",
        help="mirror run records to MLflow",
        description="Copy the finished records of a scale to MLflow: settings, every epoch's metrics, results, tags.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--scale", help="smoke, lite or paper (default: params.yaml's)")
    parser.add_argument(
        "--committed", action="store_true", help="also the committed record of a run that has none here"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Mirror, and write which MLflow run holds which record."""
    root = project.folder()
    # Records of every profile: what was imported from other machines belongs beside what was made here.
    workspace = open_workspace(root, args.scale, params.load(root).raw["hardware_profiles"])
    uri = os.environ.get("MLFLOW_TRACKING_URI") or workspace.params.raw["mlflow"]
    mirrored = tracking.mirror(root, uri, workspace.plans, committed=args.committed)
    runs = {run: {"id": mlflow_id, "sha256": content} for run, (mlflow_id, content) in mirrored.runs.items()}
    target = root / "reports" / workspace.scale / "mlflow.json"
    files.write_text_if_changed(target, files.dump_json({"schema": 1, "runs": runs}))
    print(f"{len(runs)} runs in MLflow, {mirrored.written} of them written now")
    return common.say_bad(mirrored.bad)
