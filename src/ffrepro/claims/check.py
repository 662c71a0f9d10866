"""Claims that refer to what is not there, or contradict themselves."""

from __future__ import annotations

from collections.abc import Iterable

from ffrepro.base.errors import FfreproError
from ffrepro.claims import array_metrics, expressions, statements
from ffrepro.claims.complete import known
from ffrepro.claims.screen import promises


def check(content: dict, where: object) -> None:
    """Refuse claims that refer to what is not there.

    Raises:
        FfreproError: with the first problem.
    """
    ids = [claim["id"] for claim in content["claims"]]
    known("claim id (given twice)", [i for i in ids if ids.count(i) > 1], [], where)
    numbered = {i.split("/")[1] for i in ids}
    for table in content["tables"].values():
        known("claim", [i for row in table["rows"].values() for i in row], numbered, where)
        known("claim", [i for pair in table["pairs"] for i in pair], numbered, where)
        wrong = [row for row, cells in table["rows"].items() if len(cells) != len(table["columns"])]
        known("row (its cells are not as many as the columns)", wrong, [], where)
    for figure in content["figures"]:
        known("claim", figure.get("claims", []), numbered, f"{where} figure {figure['name']}")
    quantities = content["quantities"]
    if "first_screen" in content:
        declared = content["first_screen"]
        known("promise", declared["promises"], [promise.name for promise in promises.promises()], where)
        known("claim", promises.shorts(declared), numbered, where)
        promises.check(declared, {claim["id"].split("/")[1]: claim for claim in content["claims"]}, quantities, where)
    budget, baseline = content["budget"], content["baseline"]
    if isinstance(budget, str):
        known("budget", [budget], ids, where)
    else:
        known("experiment of the budget", budget, content["experiments"], where)
        unlimited = set(content["experiments"]) - set(budget) - _benches(content)
        known("experiment (it has no budget)", unlimited, [], where)
    for family, entries in content.get("controls", {}).items():
        place = f"{where} controls"
        families = [family, *(entry["experiment"] for entry in entries if "experiment" in entry)]
        known("experiment", families, content["experiments"], place)
        known("variant", [e["variant"] for e in entries if "variant" in e], content["variants"], place)
        known("treatment", [e["treatment"] for e in entries if "treatment" in e], content["treatments"], place)
    for family, other in content.get("paired", {}).items():
        known("experiment", [family, other], content["experiments"], f"{where} paired")
    known("baseline", [baseline] if isinstance(baseline, str) else [*baseline, *baseline.values()],
           content["variants"], where)  # fmt: skip
    for claim in [*content["claims"], _shown_first(content)]:
        place = f"{where} {claim['id']}"
        known("quantity", [claim["quantity"]] if "quantity" in claim else [], quantities, place)
        operands = claim.get("operands", {})
        known("quantity", [entry["quantity"] for entry in operands.values()], quantities, place)
        named = [claim["measure"], *claim.get("companions", [])] if "measure" in claim else []
        named += [*claim.get("choices", []), *operands.values()]
        known("treatment", [n["treatment"] for n in named if "treatment" in n], content["treatments"], place)
        named += claim.get("check", {}).get("settings", [claim["check"]] if "check" in claim else [])
        known("experiment", [n["experiment"] for n in named if "experiment" in n], content["experiments"], place)
        metrics = [n["metric"] for n in named if n.get("metric", "").startswith(array_metrics.PREFIX)]
        known("metric", [m for m in metrics if not array_metrics.is_known(m)], [], place)
        for key in ("dataset", "variant"):
            wanted = [name for n in named for name in n.get(f"{key}s", [n[key]] if key in n else [])]
            known(key, [_ungridded(name, content[f"{key}s"]) for name in wanted], content[f"{key}s"], place)
        goals = [entry["reach"]["of"] for entry in operands.values() if "reach" in entry]
        known("variant", goals, content["variants"], place)
        written = [claim.get(key) for key in ("published", "holds", "tight")]
        written += [entry["expression"] for entry in claim.get("derived", [])]
        for expression in filter(None, written):
            known("claim", expressions.names(expression), {f"c{number}" for number in numbered}, place)
        if "ours" in claim:
            known(
                "claim or operand", expressions.names(claim["ours"]), {f"c{i}" for i in numbered} | set(operands), place
            )
        for key in ("holds", "ours"):
            if key in claim:
                statements.parse(claim[key])
    for name, quantity in quantities.items():
        _check_margins(quantity, f"{where} quantity {name}")
    vocabulary = {"treatments": content["treatments"], "quantities": quantities}
    vocabulary |= {"datasets": content["datasets"], "variants": content["variants"]}
    for deviation in content["deviations"]:
        for key, wanted in deviation["touches"].items():
            known(key, wanted, vocabulary[key], f"{where} {deviation['id']}")


def _shown_first(content: dict) -> dict:
    """The numbers of the first screen that no claim has, as operands of a claim."""
    entries = content.get("first_screen", {"promises": {}})["promises"].values()
    found = [number for entry in entries for number in promises.numbers(entry) if isinstance(number, dict)]
    operands = {str(i): number for i, number in enumerate(found) if "experiment" in number}
    return {"id": "first_screen", "operands": operands}


def _benches(content: dict) -> set[str]:
    """Experiments of which claims read nothing but a bench's rows: they have no epochs."""
    read: dict[str, set[bool]] = {}
    for claim in content["claims"]:
        for entry in [claim.get("measure", {}), *claim.get("companions", []), *claim.get("operands", {}).values()]:
            if "experiment" in entry:
                read.setdefault(entry["experiment"], set()).add(entry["metric"].startswith("bench/"))
    return {experiment for experiment, benches in read.items() if benches == {True}}


def _ungridded(name: str, available: Iterable[str]) -> str:
    """The entry that a grid made a name of: ``a`` of ``a_theta2``; others as they are."""
    return next((known_ for known_ in available if name.startswith(f"{known_}_")), name)


def _check_margins(quantity: dict, place: str) -> None:
    """Refuse a margin that its scale cannot have."""
    for setting in (quantity, quantity.get("post_hoc", {})):
        linear, margin = setting.get("scale", "linear") == "linear", setting.get("margin", {})
        if ("absolute" in margin and not linear) or ("factor" in margin and linear):
            raise FfreproError(
                f"a margin of {', '.join(margin)} on a scale that is {setting.get('scale', 'linear')}",
                where=place, fix="an absolute margin goes with the linear scale, a factor with log and log_complement",
            )  # fmt: skip
