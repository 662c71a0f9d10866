"""``ffrepro bench``: time and memory against backpropagation, measured in one process; quality of stroke plans."""

from __future__ import annotations

import argparse
import os
from importlib import import_module
from pathlib import Path


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Describe the command."""
    from ffrepro.cli.common import positive
    from ffrepro.cli.train import add_folders

    parser = subparsers.add_parser(
        "bench",
        help="time and memory against backpropagation, of training and of inference; quality of the stroke plans",
        description="Measure what a bench of the plan declares (rnn, inference), local learning of the image nets "
        "(local), what two runs at once get done (parallel), or how well and how fast movements are taken apart into "
        "strokes (kinematics). Give the machine nothing else to do meanwhile.",
        epilog="examples:\n  ffrepro bench rnn --scale lite --dataset dollar\n"
        "  ffrepro bench inference --scale lite --dataset mnist --treatment as_published\n"
        "  ffrepro bench local --net ff_medium --rounds 15\n  ffrepro bench local --out docs/local_bench.json\n"
        "  ffrepro bench parallel\n"
        "  ffrepro bench kinematics --out reports/bench_kinematics.json\n"
        "  ffrepro bench --plan plan/smoke/cpu/bench_dollar_corrected/interleaved/seed0.json",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "what", nargs="?", choices=["rnn", "inference", "local", "parallel", "kinematics"], help="which bench"
    )
    parser.add_argument("--plan", type=Path, help="plan file of a bench")
    parser.add_argument("--scale", default="lite", help="scale whose plan declares the bench (default lite)")
    parser.add_argument("--dataset", default="dollar", help="default dollar")
    parser.add_argument("--treatment", default="corrected", help="default corrected")
    parser.add_argument("--threads", type=positive, default=1, help="default 1")
    parser.add_argument("--seconds", type=float, default=5.0, help="parallel: how long each count runs (default 5)")
    parser.add_argument(
        "--source", choices=["upstream", "standin"], default="upstream", help="kinematics: data (default upstream)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        help="local, kinematics: JSON to write (kinematics: reports/bench_kinematics.json if not said)",
    )
    parser.add_argument("--net", help="local: one net (default: FF_medium, FF_deep and the MLP)")
    parser.add_argument("--rounds", type=positive, default=15, help="local: interleaved rounds (default 15)")
    add_folders(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure and print the table."""
    if args.what == "parallel":
        return _parallel(args.seconds)
    if args.what == "kinematics":
        return _kinematics(args)
    if args.what == "local":
        return _local(args)
    from ffrepro.cli.train import read_plan
    from ffrepro.training import parts

    plan = read_plan(args.plan, "bench") if args.plan else _find_plan(args)
    bench = import_module(f"ffrepro.training.bench_{plan['bench']['name']}")
    place = parts.Place(Path.cwd(), args.runs, args.prepared, args.threads)
    print(bench.describe(bench.run(plan, place)))
    return 0


def _find_plan(args: argparse.Namespace) -> dict:
    from ffrepro.base.errors import FfreproError
    from ffrepro.base.names import unknown
    from ffrepro.cli import project
    from ffrepro.pipeline.workspace import open_workspace

    if args.what is None:
        raise FfreproError(
            "nothing to measure",
            fix="name a bench (rnn, inference, local, parallel, kinematics) or a plan file (--plan)",
        )
    plans = [p for p in open_workspace(project.folder(), args.scale).plans if p["kind"] == "bench"]
    plans = [p for p in plans if p["bench"]["name"] == args.what]
    for plan in plans:
        if (plan["dataset"], plan["protocol"]["treatment"]) == (args.dataset, args.treatment):
            return plan
    available = [f"{p['dataset']}/{p['protocol']['treatment']}" for p in plans]
    raise unknown(f"{args.what} bench", f"{args.dataset}/{args.treatment}", available, where="params.yaml")


def _local(args: argparse.Namespace) -> int:
    from ffrepro.base import files
    from ffrepro.training import bench_local as bench
    from ffrepro.training import machine

    machine.use({"device": "cpu", "precision": "float32"}, args.threads)
    results = []
    for name in [args.net] if args.net else bench.DEFAULT:
        results.append(bench.measure(name, bench.BATCH.get(name, 1), args.rounds))
        print(bench.describe(results[-1]), flush=True)
    if args.out:
        made = {"machine": machine.describe("cpu", args.threads), "versions": machine.versions()}
        files.write_json(args.out, made | {"nets": results})
        print(args.out)
    return 0


def _parallel(seconds: float) -> int:
    from ffrepro.training import bench_parallel

    rows = bench_parallel.measure(min(os.cpu_count() or 1, 4), seconds, rounds=3)
    print(f"FF-Norm training steps at once, one thread each, {seconds:g} s each, median of 3 rounds")
    for row in rows:
        print(f"{row['processes']} process(es): {row['steps_per_s']:7.2f} steps/s, {row['ratio']:.2f}x")
    return 0


def _kinematics(args: argparse.Namespace) -> int:
    from ffrepro.base import files
    from ffrepro.kinematics.extraction import Settings
    from ffrepro.training import bench_kinematics as bench

    result = bench.run(args.prepared, args.source, bench.SAMPLES, bench.KNOWN, Settings())
    out = args.out or Path("reports/bench_kinematics.json")
    files.write_json(out, result)
    print(bench.describe(result))
    print(out)
    return 0
