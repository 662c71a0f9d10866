"""Snakemake and DVC on the real commands: one finished project, and what each engine makes of a copy of it."""

import base64
import hashlib
import json
import re
import shutil
from collections import defaultdict

import pytest
from helpers.engines import (
    commit,
    dvc_jobs,
    dvc_ran,
    edit_yaml,
    make_project,
    nothing_to_do,
    run,
    snakemake,
    snakemake_jobs,
)

from ffrepro.base.files import read_json
from ffrepro.claims import load
from ffrepro.pipeline.workspace import open_workspace

pytestmark = pytest.mark.pipeline
PAPER = "chikhachev2025_rnn"
STUDY = f"src/ffrepro/studies/{PAPER}/study.yaml"
CLAIMS = f"src/ffrepro/studies/{PAPER}/claims.yaml"
BPTT = "smoke/cpu/rnn_dollar_corrected/bptt/seed0"
FF = "smoke/cpu/rnn_dollar_corrected/ff_std/seed0"
SHOWN = ("test/accuracy", "test/auc")  # of a detector, in metrics.json
TABLES = [f"{PAPER}-table1", f"{PAPER}-table2", f"{PAPER}-table3"]


def one_seed(raw):
    """One paper, one seed."""
    raw["scales"]["smoke"]["seeds"] = 1
    raw["studies"] = [PAPER]


def two_runs(study):
    """One data set, one treatment: BPTT and one FF variant."""
    study["experiments"] = {"rnn": study["experiments"]["rnn"]}
    study["experiments"]["rnn"] |= {"datasets": ["dollar"], "treatments": ["corrected"], "variants": ["bptt", "ff_std"]}


def one_figure(claims):
    """ROC curves alone: of a report, figures take longest, and nothing here looks at them."""
    claims["figures"] = [figure for figure in claims["figures"] if figure["name"] == "roc"]


def another_lr(study):
    """Change a number of the BPTT run alone."""
    study["variants"]["bptt"]["set"] = {"lr": {"value": 0.01, "source": "test"}}


def other_words(study):
    """Change what is said about a number."""
    study["settings"]["defaults"]["lr"]["source"] = "read again"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A project that Snakemake has finished, its work passed on to DVC and committed. Copy it, do not change it."""
    root = tmp_path_factory.mktemp("finished")
    make_project(root, {"params.yaml": one_seed, STUDY: two_runs, CLAIMS: one_figure})
    snakemake(root)
    synced = run(root, "ffrepro", "sync", "--to", "dvc")
    assert synced == "10 jobs passed on to dvc, 0 known to it already, 0 still to run\n"
    commit(root, "finished")
    return root


@pytest.fixture
def project(finished, tmp_path):
    """A copy of the finished project, time stamps kept."""
    root = tmp_path / "project"
    shutil.copytree(finished, root, symlinks=True)
    return root


@pytest.fixture(scope="module")
def experiment(finished, tmp_path_factory):
    """A copy of the finished project after `dvc exp run` with a rate for BPTT, and what that printed. Only read it."""
    root = tmp_path_factory.mktemp("experiment") / "project"
    shutil.copytree(finished, root, symlinks=True)
    setting = f"{STUDY}:+variants.bptt.set.lr={{value: 0.01, source: test}}"
    return root, run(root, "dvc", "exp", "run", "--name", "faster", "--set-param", setting)


def replace(root, file, old, new):
    """Replace text that stands once in a file."""
    text = (root / file).read_text()
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {file}"
    (root / file).write_text(text.replace(old, new))


def hashes(root, *folders):
    """Path -> SHA-256 of every file below the folders."""
    paths = (path for folder in folders for path in (root / folder).rglob("*") if path.is_file())
    paths = (path for path in paths if path.name != ".snakemake_timestamp" and path.suffix != ".lock")
    return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def lines_of(root, record):
    """The epochs of a run's metrics.jsonl."""
    return [json.loads(line) for line in (root / f"runs/{record}/metrics.jsonl").read_text().splitlines()]


def test_snakemake_leaves_every_declared_file_and_runs_nothing_twice(finished):
    for job in open_workspace(finished).jobs:
        for path in job.outputs:
            assert (finished / path).exists(), path
    assert nothing_to_do(finished)
    for name in (BPTT, FF):
        assert "test accuracy" in (finished / f"logs/{name}.log").read_text()
        assert (finished / f"benchmarks/{name}.tsv").read_text().startswith("s\th:m:s\tmax_rss")
        assert read_json(finished / f"runs/{name}/run.json")["plan"] == read_json(finished / f"plan/{name}.json")
    assert "stand-in" in (finished / "reports/smoke/report.html").read_text().lower()


def test_dvc_finds_nothing_to_do_after_snakemake_and_a_sync(finished):
    assert "Data and pipelines are up to date." in run(finished, "dvc", "status")
    assert dvc_ran(run(finished, "dvc", "repro")) == []
    again = run(finished, "ffrepro", "sync", "--to", "dvc")
    assert again == "0 jobs passed on to dvc, 10 known to it already, 0 still to run\n"
    assert run(finished, "git", "status", "--porcelain") == ""


def test_an_experiment_reruns_what_its_setting_touches(finished, experiment):
    root, printed = experiment
    stages = ["plan", "cpu-rnn_dollar_corrected-bptt-seed0", *TABLES, "report", "track"]
    assert dvc_ran(printed) == sorted(stages)
    before, after = hashes(finished, "runs", "data"), hashes(root, "runs", "data")
    changed = {path for path in before if before[path] != after[path]}
    assert changed and all(path.startswith(f"runs/{BPTT}/") for path in changed)
    assert read_json(root / f"runs/{BPTT}/run.json")["plan"]["training"]["lr"] == 0.01


def test_settings_and_metrics_of_an_experiment_stand_beside_the_committed_ones(finished, experiment):
    root = experiment[0]
    old, new = (read_json(folder / f"runs/{BPTT}/result.json")["metrics"] for folder in (finished, root))
    differing = json.loads(run(root, "dvc", "params", "diff", "--json", "HEAD", "faster"))
    assert differing == {
        f"plan/{BPTT}.json": {"training.lr": {"old": 0.001, "new": 0.01, "diff": pytest.approx(0.009)}}
    }

    (metrics,) = json.loads(run(root, "dvc", "metrics", "diff", "--json")).values()
    expected = {name: (old[name], new[name]) for name in SHOWN if old[name] != new[name]}
    found = {name: (entry["old"], entry["new"]) for name, entry in metrics.items()}
    assert expected and found == {f"rnn_dollar_corrected.bptt.{name}": pair for name, pair in expected.items()}

    workspace, committed = json.loads(run(root, "dvc", "exp", "show", "--json"))
    (shown,) = committed["experiments"]
    assert shown["name"] == "faster"
    for revision, metrics, rate in ((committed, old, 0.001), (shown["revs"][0], new, 0.01), (workspace, new, 0.01)):
        variants = revision["data"]["metrics"]["reports/smoke/metrics.json"]["data"]["rnn_dollar_corrected"]
        assert variants["bptt"] == {"runs": 1} | {name: metrics[name] for name in SHOWN}
        assert revision["data"]["params"][f"plan/{BPTT}.json"]["data"]["training"]["lr"] == rate


def test_curves_of_an_experiment_stand_beside_the_committed_ones(finished, experiment):
    root = experiment[0]
    plots = json.loads(run(root, "dvc", "plots", "diff", "HEAD", "faster", "--json"))["data"]
    for name in ("accuracy", "loss"):
        (plot,) = plots[f"validation {name}"]
        # A run that does not measure it has an empty cell, which Vega would draw as 0.
        assert plot["content"]["transform"][0] == {"filter": f"isValid(toNumber(datum['val/{name}']))"}
        curves = defaultdict(list)
        for point in plot["content"]["data"]["values"]:
            curves[point["rev"], point["run"]].append((int(point["epoch"]), float(point[f"val/{name}"])))
        assert curves == {
            (revision, record): [(line["epoch"], line[f"val/{name}"]) for line in lines_of(folder, record)]
            for revision, folder in (("HEAD", finished), ("faster", root))
            for record in (BPTT, FF)
        }
    run(root, "dvc", "plots", "show")
    page = (root / "dvc_plots/index.html").read_text()
    assert BPTT in page and FF in page and '"rev": "HEAD"' not in page
    assert "dvc_plots" not in run(root, "git", "status", "--porcelain")


def test_snakemake_takes_an_experiment_over_and_git_and_dvc_leave_it(finished, experiment, tmp_path):
    root = tmp_path / "project"
    shutil.copytree(experiment[0], root, symlinks=True)
    run(root, "ffrepro", "sync", "--to", "snakemake")
    assert nothing_to_do(root)
    assert "Data and pipelines are up to date." in run(root, "dvc", "status")

    run(root, "git", "checkout", "--quiet", ".")
    run(root, "dvc", "checkout")
    folders = ("runs", "data", "plan", "reports/smoke")
    assert hashes(root, *folders) == hashes(finished, *folders)
    assert "Data and pipelines are up to date." in run(root, "dvc", "status")

    edit_yaml(root, STUDY, another_lr)  # the experiment's edit, by hand
    assert dvc_ran(run(root, "dvc", "repro", "workflow/dvc/rnn_dollar/dvc.yaml")) == ["plan"]
    assert hashes(root, "runs", "data") == hashes(experiment[0], "runs", "data")  # out of DVC's cache


def test_both_engines_see_the_same_edit(project):
    edit_yaml(project, STUDY, another_lr)
    dry = snakemake(project, "--dry-run")
    assert f"ffrepro train plan/{BPTT}.json" in dry and f"ffrepro train plan/{FF}.json" not in dry
    assert "ffrepro prepare" not in dry and f"--table {PAPER}/table1" in dry
    left = run(project, "ffrepro", "sync", "--to", "snakemake")
    assert f"to run: train/{BPTT}" in left and f"train/{FF}" not in left


def test_words_and_comments_retrain_nothing(project):
    replace(project, "src/ffrepro/methods/ff_rnn.py", "class Method", "# A comment.\nclass Method")
    edit_yaml(project, STUDY, other_words)
    dry = snakemake(project, "--dry-run")
    assert "ffrepro train" not in dry and "ffrepro prepare" not in dry
    replace(project, "src/ffrepro/methods/ff_rnn.py", "# A comment.\nclass Method", "CODE = 1\n\n\nclass Method")
    dry = snakemake(project, "--dry-run")
    assert f"ffrepro train plan/{FF}.json" in dry and f"ffrepro train plan/{BPTT}.json" not in dry


def test_dvc_push_and_pull_bring_everything_back(project, tmp_path):
    before = hashes(project, "runs", "data", "plan", "reports")
    run(project, "dvc", "remote", "add", "--default", "--local", "here", str(tmp_path / "remote"))
    run(project, "dvc", "push")
    for folder in ("runs", "data", "plan", "reports/smoke", ".dvc/cache"):
        shutil.rmtree(project / folder)
    assert "deleted" in run(project, "dvc", "status")
    run(project, "dvc", "pull")
    assert hashes(project, "runs", "data", "plan", "reports") == before
    assert "Data and pipelines are up to date." in run(project, "dvc", "status")
    run(project, "ffrepro", "sync", "--to", "snakemake")
    assert nothing_to_do(project)


def test_a_failing_job_keeps_its_log_and_stops_no_other(project):
    shutil.rmtree(project / "runs")
    replace(
        project,
        "src/ffrepro/methods/ff_rnn.py",
        "class Method",
        "raise RuntimeError('broken on purpose')\n\n\nclass Method",
    )
    output = snakemake(project, code=1)
    assert "Error in rule train" in output
    assert (project / f"runs/{BPTT}/result.json").is_file() and not (project / f"runs/{FF}/result.json").exists()
    assert "RuntimeError: broken on purpose" in (project / f"logs/{FF}.log").read_text()
    plan = run(project, "ffrepro", "plan")
    assert "2 runs: 1 done, 1 failed" in plan
    assert f"failed: {FF}: " in plan and "RuntimeError: broken on purpose" in plan and f"(logs/{FF}.log)" in plan


def test_a_bad_record_ends_both_engines_red_and_the_report_stays(project):
    result = read_json(project / f"runs/{FF}/result.json")
    result["metrics"]["test/accuracy"] += 0.25
    (project / f"runs/{FF}/result.json").write_text(json.dumps(result))  # as by hand, after the run
    report, passed = (project / f"reports/smoke/{name}" for name in ("report.html", "check.txt"))
    report.unlink()
    printed = snakemake(project, "--keep-going", "reports/smoke/check.txt", code=1)
    assert "Error in rule check" in printed and "Error in rule report" not in printed
    run(project, "ffrepro", "plan", "--write")
    for said in (
        (project / "logs/check/smoke.log").read_text(),
        run(project, "dvc", "repro", "--single-item", "check", code=255),
    ):
        assert f"left out: {FF}: " in said and "test/accuracy is " in said
        assert FF.rpartition("/")[0] in report.read_text() and not passed.exists()


def test_absent_hardware_gets_no_job_and_is_no_failure(project):
    assert "ffrepro train" not in snakemake(project, "--dry-run", "--config", "hardware=h200")
    assert "2 not run: no such hardware here" in run(project, "ffrepro", "plan", "--hardware", "h200")


def test_both_engines_have_the_job_list_of_the_whole_project(tmp_path):
    """Of every paper and each of its tables. The tables of one paper are made by both engines, above; of the others the
    job lists are compared: an engine starts, plans, prepares data and trains at least two nets for a table, far more
    than 15 s for three papers by both, and what a job does once it is started is the same command, tested by itself."""
    make_project(tmp_path, {"params.yaml": lambda raw: raw["hardware_profiles"]["cpu"].update(threads=2)})
    jobs = open_workspace(tmp_path).jobs
    expected = {job.command: (set(job.inputs), {path.rstrip("/") for path in job.outputs}) for job in jobs}
    assert len(expected) == len(jobs)
    tables = {f"{paper}/{name}" for paper in load.papers() for name in load.load(tmp_path, paper).content["tables"]}
    made = [found[1] for command in expected if (found := re.search(r"--table (\S+)", command))]
    assert sorted(made) == sorted(tables) and len({table.split("/")[0] for table in tables}) == 4
    for engine in (snakemake_jobs(tmp_path), dvc_jobs(tmp_path)):
        assert engine.keys() == expected.keys()
        assert {command: job for command, job in engine.items() if job != expected[command]} == {}


def test_targets_of_a_paper_and_of_a_published_table(finished):
    dry = snakemake(finished, "--dry-run", "--forceall", f"{PAPER}_table1")
    assert f"--table {PAPER}/table1" in dry and "table2" not in dry and f"train plan/{BPTT}.json" in dry
    dry = snakemake(finished, "--dry-run", "--forceall", PAPER)
    assert f"--table {PAPER}/table3" in dry and "ffrepro track" not in dry


def test_the_workflow_is_well_formed(finished, tmp_path):
    complaints = re.findall(r"^    \* (.*)", run(finished, "snakemake", "--lint", code=1), re.MULTILINE)
    assert set(complaints) == {"Specify a conda environment or container for each rule.:"}  # one pinned .venv for all
    run(finished, "snakefmt", "--check", "Snakefile", "workflow/rules")


def test_snakemakes_report_holds_the_tables_and_the_report_with_their_captions(finished, tmp_path):
    run(finished, "snakemake", "--report", str(tmp_path / "report.html"))
    page = (tmp_path / "report.html").read_text()
    rules, results = (
        json.loads(re.search(rf'<script id="{name}">\s*var {name} = (.*?);?\s*</script>', page, re.DOTALL)[1])
        for name in ("rules", "results")
    )
    jobs = {rule: entry["n_jobs"] for rule, entry in rules.items()}
    assert jobs == {"fetch_trajectories": 1, "prepare": 1, "train": 2, "table": 3, "report": 1, "check": 1, "track": 1}
    files = [f"reports/smoke/tables/{PAPER}/table{number}.md" for number in (1, 2, 3)] + ["reports/smoke/report.html"]
    assert sorted(results) == sorted(files)
    for file, entry in results.items():
        assert base64.b64decode(entry["data_uri"].split("base64,")[1]) == (finished / file).read_bytes()
        assert "at scale <em>smoke</em>" in entry["caption"]
