"""The claims of the studies: read, checked against their schema and themselves, completed from study.yaml."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from jsonschema import Draft202012Validator

from ffrepro.base import studies, yamlfile
from ffrepro.base.errors import FfreproError
from ffrepro.base.names import unknown
from ffrepro.claims import expressions, formats
from ffrepro.claims.check import check
from ffrepro.claims.complete import completed, expanded
from ffrepro.claims.scale import Scale

if TYPE_CHECKING:
    from ffrepro.claims.records import Record

FILE, STUDY = "claims.yaml", "study.yaml"
_POINT = re.compile(r"_[a-z_]+[0-9.]+")  # of a grid, in a variant's name
SCHEMA = "workflow/schemas/claims.schema.yaml"


class Rule(NamedTuple):
    """How a measured claim is judged.

    Attributes:
        margin: on ``scale``; ``words``: the same in words. threshold: judged by its side of this instead.
        better: the good direction, None where there is none. censored: a run cut short gives a lower bound.
        draws: how many runs the published value is the mean of.
    """

    scale: Scale
    margin: float
    words: str
    threshold: float | None
    better: str | None
    censored: bool
    draws: int


class Equivalence(NamedTuple):
    """Within which margin two of our own samples count as the same; ``margin`` is on ``scale``, ``words`` say it."""

    scale: Scale
    margin: float
    words: str


class Budget(NamedTuple):
    """How long a run may train before its limit counts as none, and how notes say so."""

    epochs: int
    says: str


@dataclass(frozen=True)
class Claims:
    """One paper's claims; ``content`` is the file with what it takes from the study, the rest are views of it."""

    content: dict[str, Any]

    @property
    def paper(self) -> str:
        return self.content["paper"]

    @property
    def short(self) -> str:
        """What the paper is called where there is little room."""
        return self.content.get("first_screen", {}).get("short", self.paper)

    @cached_property
    def claims(self) -> dict[str, dict]:
        """Claim by id, in the file's order."""
        return {claim["id"]: claim for claim in self.content["claims"]}

    @property
    def treatments(self) -> list[str]:
        """The headline first."""
        return list(self.content["treatments"])

    @cached_property
    def published(self) -> dict[str, float]:
        """The published numbers under the names that expressions use."""
        numbers = (int, float)
        return {
            name_of(claim["id"]): claim["value"]
            for claim in self.claims.values()
            if isinstance(claim["value"], numbers)
        }

    def budget(self, experiment: str) -> Budget | None:
        """The budget of an experiment, by the name it has in run names; None of one that has none."""
        entry = self.content["budget"]
        if isinstance(entry, str):
            epochs = self.claims[entry]["value"]
            return Budget(epochs, f"the paper allows {epochs}")
        family = self._families.get(experiment)
        return Budget(**entry[family]) if family in entry else None

    def speaks_of(self, experiment: str) -> bool:
        """Whether claims are measured by an experiment, or stand beside it; by the name it has in run names."""
        return experiment in self._families

    def family_of_runs(self, experiment: str) -> str | None:
        """An experiment as the claims file calls it, by the name it has in run names."""
        return self._families.get(experiment)

    def measured_by(self, plan: dict[str, Any]) -> list[str]:
        """Short ids of the claims whose number a run gives, alone or with its other seeds."""
        if not self.speaks_of(plan["experiment"]):
            return []
        wanted = {"experiment": self._families[plan["experiment"]], "dataset": plan["dataset"]}
        if plan["kind"] != "bench":  # one record of a bench holds all variants
            wanted["variant"] = plan["variant"]
        measured = {name: claim["measure"] for name, claim in self.claims.items() if claim["kind"] == "measured"}
        return [name.split("/")[1] for name, m in measured.items() if wanted.items() <= m.items()]

    def capped_at(self, record: Record) -> int | None:
        """The number of epochs at which a run was cut short, None where it was not."""
        budget = self.budget(record.plan["experiment"])
        return None if budget is None else record.capped_at(budget.epochs)

    @cached_property
    def _families(self) -> dict[str, str]:
        """An experiment's name in run names -> its name in the claims file."""
        return {
            self.experiment(family, treatment, dataset): family
            for family, names in self.content["experiments"].items()
            for treatment in names
            for dataset in self.content["datasets"]
        }

    @property
    def baselines(self) -> list[str]:
        """The variants that others are compared with."""
        entry = self.content["baseline"]
        return [entry] if isinstance(entry, str) else list(entry.values())

    def protocol(self, claim: dict) -> str:
        """By which of a study's protocols a claim is measured: a task, or a bench; empty where there is but one."""
        return self.content["protocols"].get(claim.get("measure", {}).get("experiment"), "")

    def twin(self, variant: str) -> str | None:
        """The variant that one is compared with, of a point of a grid the same point; None of a baseline."""
        entry = self.content["baseline"]
        if isinstance(entry, str):
            return None if variant == entry else entry
        base, point = self.ungridded(variant)
        return f"{entry[base]}{point}" if base in entry else None

    def ungridded(self, variant: str) -> tuple[str, str]:
        """A variant and the point of the grid in its name: ``ff`` and ``_samples5000``; without one, an empty text."""
        known = [name for name in self.content["variants"] if _POINT.fullmatch(variant.removeprefix(name))]
        base = variant if variant in self.content["variants"] or not known else max(known, key=len)
        return base, variant[len(base) :]

    def label(self, variant: str) -> str:
        """What a variant is called, with its point of a grid."""
        base, point = self.ungridded(variant)
        return self.content["variants"].get(base, base) + re.sub(r"^_([a-z_]+)", r", \1 ", point).replace("_", " ")

    def factor(self, claim: dict) -> float:
        """What a measured number is multiplied by to be in the paper's units."""
        return self.content["quantities"][claim["quantity"]].get("factor", 1)

    def claim(self, short_id: str) -> dict:
        """The claim called ``025`` in tables."""
        return self.claims[f"{self.paper}/{short_id}"]

    def table(self, name: str) -> dict:
        """A table of the file.

        Raises:
            FfreproError: there is none of this name.
        """
        if name not in self.content["tables"]:
            raise unknown("table", name, self.content["tables"], where=f"claims of {self.paper}")
        return self.content["tables"][name]

    def experiment(self, family: str, treatment: str, dataset: str) -> str:
        """The name an experiment has in run names."""
        return self.content["experiments"][family][treatment].format(dataset=dataset)

    def expected(self, claim: dict) -> float:
        """What a measured claim is compared with: its value, or an expression over several."""
        return expressions.number(claim["published"], self.published) if "published" in claim else claim["value"]

    def margin(self, claim: dict) -> float | None:
        """How far from ``expected`` still counts as the same, in the claim's own units; None: never judged."""
        margin = self.content["quantities"][claim["quantity"]].get("margin")
        if margin is None:
            return None
        return margin["absolute"] if "absolute" in margin else margin["relative"] * abs(self.expected(claim))

    def rule(self, claim: dict, *, beforehand: bool = False) -> Rule | None:
        """How a claim is judged.

        Args:
            beforehand: by the margin that was set before the runs; None where that is the one in force.
        """
        quantity = self.content["quantities"][claim["quantity"]]
        if beforehand and "post_hoc" not in quantity:
            return None
        setting = quantity if beforehand or "post_hoc" not in quantity else quantity["post_hoc"]
        low, high = self.rounded(claim)
        ratio = claim["measure"]["metric"].startswith("bench/ratio")
        name = setting.get("scale", "log" if ratio else "linear")
        least = (high - low) / 2 if name == "log_complement" else 0.0  # of a digit that the paper does not print
        scale = Scale(name, quantity.get("range", [0, 1])[1], max(least, 1e-12))
        margin = scale.margin(setting["margin"], self.expected(claim)) if "margin" in setting else math.nan
        words = scale.words(margin) if "margin" in setting else ""
        words += " (post hoc)" if setting is not quantity else ""
        return Rule(scale, margin, words, quantity.get("threshold"), quantity.get("better"),
                    quantity.get("censored", False), claim["n"] or 1)  # fmt: skip

    def equivalence(self, quantity: str) -> Equivalence | None:
        """When two of our own samples of a quantity are the same: as it says, else by its margin set beforehand.

        None where neither fits two samples: a margin that is relative to a published value, or of a share's complement.
        """
        entry = self.content["quantities"][quantity]
        margin = entry.get("equivalence", entry).get("margin", {})
        if "absolute" in margin:
            return Equivalence(Scale("linear"), margin["absolute"], formats.margin(margin, "linear"))
        if "factor" in margin and ("equivalence" in entry or entry.get("scale") == "log"):
            return Equivalence(Scale("log", least=1e-12), math.log(margin["factor"]), formats.margin(margin, "log"))
        return None

    def family(self, claim: dict) -> str:
        """The claims over which its tests are corrected: those of the first table that shows it, unless it says."""
        if "family" in claim:
            return claim["family"]
        return next(iter(self.tables_of(claim)), claim["id"])

    def family_of(self, claim: dict) -> list[dict]:
        """The measured claims of a claim's family."""
        family = self.family(claim)
        return [c for c in self.claims.values() if c["kind"] in ("measured", "counted") and self.family(c) == family]

    def rounded(self, claim: dict) -> tuple[float, float]:
        """The least and the largest value that print as the published one; of a ratio, what its digits allow."""
        if "published" not in claim:
            return self.printed(claim)
        names = expressions.names(claim["published"])
        bounds = [self.printed(self.claims[f"{self.paper}/{name[1:]}"]) for name in names]
        corners = [
            expressions.number(claim["published"], dict(zip(names, corner, strict=True))) for corner in product(*bounds)
        ]
        return min(corners), max(corners)

    def printed(self, claim: dict) -> tuple[float, float]:
        """The values that round to a printed number: half of its last digit to each side; NaN of a printed word."""
        if isinstance(claim["value"], str):
            return math.nan, math.nan
        text = claim.get("printed")
        quantity = self.content["quantities"].get(claim.get("quantity"), {})
        if text is None and isinstance(claim["value"], float):
            text = f"{claim['value']:.{quantity.get('published_digits', quantity.get('digits', 0))}f}"
        decimals = len((text or "").partition(".")[2])
        half = 0.5 * 10**-decimals
        return claim["value"] - half, claim["value"] + half

    @cached_property
    def _tables_of(self) -> dict[str, list[str]]:
        """Claim id -> the tables that show it."""
        found: dict[str, list[str]] = {}
        for name, table in self.content["tables"].items():
            for short in dict.fromkeys(i for row in table["rows"].values() for i in row):
                found.setdefault(f"{self.paper}/{short}", []).append(name)
        return found

    def tables_of(self, claim: dict) -> list[str]:
        """Names of the tables that show a claim, in their order."""
        return self._tables_of.get(claim["id"], [])

    def deviations(self, claim: dict, treatment: str) -> list[dict]:
        """The deviations that touch a claim's number under a treatment."""
        if "measure" not in claim:
            return []
        facts = {
            "treatments": treatment,
            "quantities": claim["quantity"],
            "datasets": claim["measure"].get("dataset"),  # a counted number has neither
            "variants": claim["measure"].get("variant"),
        }
        return [
            deviation
            for deviation in self.content["deviations"]
            if all(facts[key] in allowed for key, allowed in deviation["touches"].items())
        ]


def papers() -> list[str]:
    """The papers that have a claims file."""
    return studies.having(FILE)


def load(root: str | Path, paper: str) -> Claims:
    """Read a paper's claims file and check it.

    Args:
        root: the project's folder (the schema is in it).
        paper: the paper's key.

    Raises:
        FfreproError: no such paper, or the file breaks its schema or contradicts itself or its study.
    """
    if paper not in papers():
        raise unknown("paper", paper, papers(), where=studies.FOLDER)
    folder = studies.FOLDER / paper
    return build(paper, _read(folder / FILE), _read(folder / STUDY), _read(Path(root) / SCHEMA), folder / FILE)


def build(paper: str, content: dict, study: dict, schema: dict, where: object) -> Claims:
    """Check a claims file and put in place what it takes from the study.

    Args:
        content: of the claims file. study: of study.yaml.

    Raises:
        FfreproError: with the first problem.
    """
    content = content | {"claims": expanded(content, where)}
    problem = next(iter(Draft202012Validator(schema).iter_errors(content)), None)
    if problem is not None:
        place = "".join(f"[{part!r}]" for part in problem.absolute_path)
        raise FfreproError(problem.message[:300], where=f"{where} {place}", fix=f"{SCHEMA} says what is allowed")
    whole = completed(paper, content, study, where)
    check(whole, where)
    return Claims(whole)


def name_of(claim_id: str) -> str:
    """``<paper>/025`` as expressions call it: ``c025``."""
    return "c" + claim_id.rsplit("/", 1)[1]


def _read(path: Path) -> Any:
    return yamlfile.load(path)[0]
