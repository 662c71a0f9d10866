"""What every plan file begins with."""


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
