"""``ffrepro bench``: time and memory against backpropagation, measured in one process; quality of stroke plans."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Describe the command."""
    from ffrepro.cli.common import positive
    from ffrepro.cli.one_run import add_place
    from ffrepro.training import benches

    parser = subparsers.add_parser(
        "bench",
        help="time and memory against backpropagation, of training and of inference; quality of the stroke plans",
        description="Measure what a bench of the plan declares, or a bench that needs no plan: local learning of image "
        "nets (local), steps and multi-pass inference of the original algorithm (pairs), local learning of cut nets "
        "(sff) and of transformers (transformer), layers in parallel (layers), what several runs at once "
        "get done (parallel), how well and how fast movements are taken apart into strokes (kinematics). Give the "
        "machine nothing else to do meanwhile.",
        epilog="examples:\n  ffrepro bench inference --scale lite --dataset mnist\n"
        "  ffrepro bench local --rounds 15 --out docs/local_bench.json\n"
        "  ffrepro bench pairs --out reports/bench_pairs.json\n"
        "  ffrepro bench sff --net resnet18 --out reports/bench_sff.json\n"
        "  ffrepro bench transformer --rounds 15 --out reports/bench_transformer.json\n"
        "  ffrepro bench probes --scale lite\n"
        "  ffrepro bench layers --net mlp --rounds 5\n"
        "  ffrepro bench parallel\n"
        "  ffrepro bench kinematics --out reports/bench_kinematics.json\n"
        "  ffrepro bench --plan plan/SCALE/HARDWARE/EXPERIMENT/interleaved/seed0.json",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", nargs="?", choices=benches.names(), help="which bench")
    parser.add_argument("--plan", type=Path, help="plan file of a bench")
    parser.add_argument("--scale", default="lite", help="scale whose plan declares the bench (default lite)")
    parser.add_argument("--dataset", help="data set of the plan (default: the first)")
    parser.add_argument("--treatment", help="treatment of the plan (default: the first)")
    parser.add_argument("--seconds", type=float, default=5.0, help="parallel: how long each count runs (default 5)")
    parser.add_argument(
        "--source", choices=["upstream", "standin"], default="upstream", help="kinematics: data (default upstream)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        help="local, pairs, sff, transformer, layers, kinematics: JSON to write "
        "(kinematics: reports/bench_kinematics.json if not said)",
    )
    parser.add_argument("--net", help="local, sff, layers: one net (default: all)")
    parser.add_argument(
        "--rounds",
        type=positive,
        default=15,
        help="local, pairs, sff, transformer, layers: interleaved rounds (default 15)",
    )
    add_place(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure and print the table."""
    from ffrepro.base.errors import FfreproError
    from ffrepro.training import benches

    if args.plan is None and args.what is None:
        fix = f"name a bench ({', '.join(benches.names())}) or a plan file (--plan)"
        raise FfreproError("nothing to measure", fix=fix)
    if args.plan is None and hasattr(bench := benches.find(args.what), "main"):
        bench.main(args)
        return 0
    from ffrepro.base.gpus import one_gpu
    from ffrepro.cli.one_run import place, read_plan

    plan = read_plan(args.plan, "bench") if args.plan else _find_plan(args)
    bench = benches.find(plan["bench"]["name"], plan["paper"])
    with one_gpu(plan["profile"]["device"]):
        print(bench.describe(bench.run(plan, place(args))))
    return 0


def _find_plan(args: argparse.Namespace) -> dict:
    """The first plan of the bench that is of the data set and treatment asked for."""
    from ffrepro.base.names import unknown
    from ffrepro.cli import project
    from ffrepro.pipeline.workspace import open_workspace

    plans = [p for p in open_workspace(project.folder(), args.scale).plans if p["kind"] == "bench"]
    plans = [p for p in plans if p["bench"]["name"] == args.what]
    for plan in plans:
        if args.dataset in (None, plan["dataset"]) and args.treatment in (None, plan["protocol"]["treatment"]):
            return plan
    wanted = "/".join(name for name in (args.dataset, args.treatment) if name)
    available = [f"{p['dataset']}/{p['protocol']['treatment']}" for p in plans]
    raise unknown(f"{args.what} bench", wanted, available, where=f"the studies at scale {args.scale}")
