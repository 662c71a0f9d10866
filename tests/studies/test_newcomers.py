"""What the README promises, done in a copy of this project: a new variant is one entry, a new method one file more."""

import json
import re
import shutil

import pytest

from ffrepro import methods
from ffrepro.base import extensions
from ffrepro.cli.main import main
from ffrepro.pipeline import params
from ffrepro.pipeline.plan import expand
from ffrepro.training import scaffold

STUDIES = "src/ffrepro/studies"
FIRST, SECOND = f"{STUDIES}/chikhachev2025_rnn/study.yaml", f"{STUDIES}/ortiz2025_advancements/study.yaml"
IMAGES = """
  symba_steep: {extends: symba, label: Steep, experiments: [variants], set: {alpha: {value: 8.0, source: mine}}}
"""
METHOD = """
  ff_mine:
    method: ff_mine
    net: rnn
    label: Mine
    experiments: [rnn]
    set:
      init: {value: xavier_normal, source: mine}
      theta: {value: 3.0, source: mine}
"""
CODE = '''"""FF on a recurrent stack with nothing to choose but the threshold."""

from ffrepro.base.settings import number
from ffrepro.methods import ff_rnn

SETTINGS = {"theta": number("threshold of the goodness", 3.0, above=0)}
FIXED = {name: declared.default for name, declared in ff_rnn.SETTINGS.items()}


class Method(ff_rnn.Method):
    """Forward-Forward with the defaults of ``ff_rnn``."""

    def __init__(self, net, hyperparameters, example, generator, lr):
        super().__init__(net, FIXED | hyperparameters, example, generator, lr)
'''


@pytest.fixture
def copy(tmp_path, project_root, monkeypatch):
    """This project without records and data; generic code and rules are links, so nothing of them can be edited."""
    for name in ("params.yaml", "workflow"):
        (tmp_path / name).symlink_to(project_root / name)
    source = tmp_path / "src/ffrepro"
    source.mkdir(parents=True)
    for path in (project_root / "src/ffrepro").iterdir():
        if path.name not in ("studies", "__pycache__"):
            (source / path.name).symlink_to(path)
    shutil.copytree(project_root / "src/ffrepro/studies", source / "studies")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def runs(root, scale):
    loaded = params.load(root)
    return {plan["run"]: plan for plan in expand(loaded.raw, loaded.vocabulary, scale, ["cpu"], lambda plan: "0")}


def add(root, study, entry):
    """Put one entry among the variants of a study; the runs that this adds, by scale."""
    before = {scale: runs(root, scale) for scale in ("smoke", "lite")}
    path = root / study
    path.write_text(path.read_text().replace("\nvariants:\n", f"\nvariants:{entry}", 1))
    after = {scale: runs(root, scale) for scale in before}
    for scale, plans in before.items():
        assert {run: after[scale][run] for run in plans} == plans
    return {scale: {run: plan for run, plan in after[scale].items() if run not in before[scale]} for scale in after}


def train(root, run, plan, prepared):
    """Train one of the new runs on stand-in data, as the pipeline does; its result."""
    path = root / f"plan/{run}.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(plan))
    (root / "data").mkdir()
    (root / "data/prepared").symlink_to(prepared)
    assert main(["train", str(path.relative_to(root))]) == 0
    return json.loads((root / f"runs/{run}/result.json").read_text())


def test_a_new_variant_is_the_one_entry_of_the_readme(copy, prepared, project_root):
    (entry,) = re.findall(r"```yaml(\n.*?)```", (project_root / "README.md").read_text(), re.DOTALL)
    new = add(copy, FIRST, entry)
    assert new["smoke"] and new["lite"] and all("/ff_low/" in run for found in new.values() for run in found)
    assert {plan["method"]["theta"] for plan in new["smoke"].values()} == {2.0}
    run, plan = next((run, plan) for run, plan in new["smoke"].items() if plan["dataset"] == "dollar")
    assert 0 <= train(copy, run, plan, prepared)["metrics"]["test/accuracy"] <= 1


def test_a_new_variant_on_images_is_one_entry(copy):
    new = add(copy, SECOND, IMAGES)
    assert new["lite"] and all(plan["method"]["alpha"] == 8.0 for plan in new["lite"].values())
    assert new["smoke"] == {}  # the experiment says what of it scale smoke runs


def test_a_new_method_is_one_file_and_one_entry(copy, prepared, monkeypatch):
    (copy / "mine/methods").mkdir(parents=True)
    (copy / "mine/methods/ff_mine.py").write_text(CODE)
    monkeypatch.setenv(extensions.VARIABLE, "")
    monkeypatch.setattr(methods, "__path__", list(methods.__path__))  # as before, for the tests that follow
    extensions.add(copy / "mine")
    new = add(copy, FIRST, METHOD)
    assert new["smoke"] and all(plan["method"] == {"name": "ff_mine", "theta": 3.0} for plan in new["smoke"].values())
    run, plan = next((run, plan) for run, plan in new["smoke"].items() if plan["dataset"] == "dollar")
    result = train(copy, run, plan, prepared)
    assert result["epochs"] == plan["training"]["max_epochs"] and "test/accuracy_layer2" in result["metrics"]


def test_the_entry_of_a_scaffold_is_planned_with_its_defaults(copy, monkeypatch):
    monkeypatch.setenv(extensions.VARIABLE, "")
    monkeypatch.setattr(methods, "__path__", list(methods.__path__))
    _, _, entry = scaffold.method("mine_made", copy / "mine")
    new = add(copy, SECOND, f"\n{entry}".replace("EXPERIMENT", "variants"))
    declared = methods.module("mine_made").SETTINGS
    assert new["lite"]
    for plan in new["lite"].values():
        assert plan["method"] == {"name": "mine_made"} | {key: one.default for key, one in declared.items()}
