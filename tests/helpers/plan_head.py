"""What every plan file begins with, and what every run.json holds."""

from ffrepro.base.plans import result_hash


def plan_head(paper, kind, experiment, variant, seed, scale, hardware="cpu", *, precision="float32"):
    """Names and place of a run."""
    return {
        "run": f"{scale}/{hardware}/{experiment}/{variant}/seed{seed}",
        "kind": kind,
        "paper": paper,
        "experiment": experiment,
        "variant": variant,
        "seed": seed,
        "scale": scale,
        "hardware": hardware,
        "profile": {"device": "cpu", "precision": precision, "memory_cap_gb": None},
        "source": "standin" if scale == "smoke" else "upstream",
        "origin": {},
        "code": "c0de",
    }


def run_json(plan, counts, *, provenance=None, versions, machine):
    """What a finished run left in run.json."""
    return {
        "schema": 1,
        "run": plan["run"],
        "plan": plan,
        "plan_sha256": result_hash(plan),
        "data": {
            "dataset": plan["dataset"],
            "source": plan["source"],
            "fingerprint": "f" * 64,
            "provenance": provenance or {},
            "counts": counts,
        },
        "git": {"commit": "0" * 40, "dirty": False},
        "versions": versions,
        "machine": machine,
        "started": "2025-01-01T00:00:00+00:00",
        "finished": "2025-01-01T00:10:00+00:00",
    }
