"""The claims of the studies: read, checked against their schema and themselves, completed from study.yaml."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from jsonschema import Draft202012Validator

from ffrepro.base import studies, yamlfile
from ffrepro.base.errors import FfreproError
from ffrepro.base.names import unknown
from ffrepro.claims import expressions
from ffrepro.claims.complete import completed, expanded, known

if TYPE_CHECKING:
    from ffrepro.claims.records import Record

FILE, STUDY = "claims.yaml", "study.yaml"
SCHEMA = "workflow/schemas/claims.schema.yaml"


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

    def twin(self, variant: str) -> str | None:
        """The variant that one is compared with; None of a baseline."""
        entry = self.content["baseline"]
        if isinstance(entry, str):
            return None if variant == entry else entry
        return entry.get(variant)

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
    quantities = content["quantities"]
    budget, baseline = content["budget"], content["baseline"]
    if isinstance(budget, str):
        known("budget", [budget], ids, where)
    else:
        known("experiment of the budget", budget, content["experiments"], where)
        unlimited = set(content["experiments"]) - set(budget) - _benches(content)
        known("experiment (it has no budget)", unlimited, [], where)
    known("baseline", [baseline] if isinstance(baseline, str) else [*baseline, *baseline.values()],
           content["variants"], where)  # fmt: skip
    for claim in content["claims"]:
        place = f"{where} {claim['id']}"
        known("quantity", [claim["quantity"]] if "quantity" in claim else [], quantities, place)
        named = [claim["measure"], *claim.get("companions", [])] if "measure" in claim else []
        named += claim.get("check", {}).get("settings", [claim["check"]] if "check" in claim else [])
        known("experiment", [n["experiment"] for n in named if "experiment" in n], content["experiments"], place)
        for key in ("dataset", "variant"):
            wanted = [name for n in named for name in n.get(f"{key}s", [n[key]] if key in n else [])]
            known(key, wanted, content[f"{key}s"], place)
        written = [claim.get(key) for key in ("published", "holds", "ours")]
        written += [entry["expression"] for entry in claim.get("derived", [])]
        for expression in filter(None, written):
            known("claim", expressions.names(expression), {f"c{number}" for number in numbered}, place)
    vocabulary = {"treatments": content["treatments"], "quantities": quantities}
    vocabulary |= {"datasets": content["datasets"], "variants": content["variants"]}
    for deviation in content["deviations"]:
        for key, wanted in deviation["touches"].items():
            known(key, wanted, vocabulary[key], f"{where} {deviation['id']}")


def _benches(content: dict) -> set[str]:
    """Experiments of which claims read nothing but a bench's rows: they have no epochs."""
    read: dict[str, set[bool]] = {}
    for claim in content["claims"]:
        for entry in [claim.get("measure", {}), *claim.get("companions", [])]:
            if "experiment" in entry:
                read.setdefault(entry["experiment"], set()).add(entry["metric"].startswith("bench/"))
    return {experiment for experiment, benches in read.items() if benches == {True}}


def _read(path: Path) -> Any:
    return yamlfile.load(path)[0]
