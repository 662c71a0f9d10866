"""plan, export, import, doctor and sync as a user calls them."""

import json
import shutil

import pytest

from ffrepro.base.errors import FfreproError
from ffrepro.cli.main import main
from ffrepro.data.archives import Archive
from ffrepro.pipeline import doctor, probes, startup
from ffrepro.pipeline.workspace import open_workspace
from ffrepro.training import probe

RUN = "smoke/cpu/rnn_mcyt_corrected/bptt/seed0"


@pytest.fixture
def ffrepro(project, monkeypatch, capsys):
    """Run a command in the small project; returns (exit code, output, errors)."""
    monkeypatch.chdir(project)
    monkeypatch.delenv("FFREPRO_MIRROR", raising=False)

    def call(*arguments):
        code = main(list(arguments))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def plans(project):
    """Every planned run."""
    return {plan["run"]: plan for plan in open_workspace(project).plans}


def test_plan_lists_states_and_costs(ffrepro, finish, plans):
    finish(plans[RUN], seconds=120.0)
    code, out, _ = ffrepro("plan", "--table", "table1")
    lines = out.splitlines()
    assert code == 0 and lines[0] == "scale smoke, hardware cpu"
    row = next(line for line in lines if "rnn_mcyt_corrected" in line and "bptt" in line)
    assert " ".join(row.split()) == "cpu rnn_mcyt_corrected bptt 2 1 done, 1 todo 2.0 min mean of 1 finished"
    row = next(line for line in lines if "rnn_mcyt_as_published" in line and "bptt" in line)
    assert row.endswith("2.0 min    from rnn_mcyt_corrected at scale smoke, per epoch")
    assert "16 runs: 1 done, 15 todo" in lines
    assert lines[-1].startswith(
        "to do: 15 runs, 6.0 min of work, 12 of unknown length not counted, about 3.0 min with 2"
    )


def test_plan_counts_the_runs_to_do_that_have_a_committed_record(ffrepro, finish, plans, project):
    other = RUN.replace("seed0", "seed1")
    finish(plans[RUN])
    index = project / "reports/reference/index.json"
    index.parent.mkdir(parents=True, exist_ok=True)
    index.write_text(json.dumps({RUN: {}, other: {}, "smoke/cpu/gone/bptt/seed0": {}}))
    last = ffrepro("plan", "--table", "table1")[1].splitlines()[-1]
    assert last.startswith("1 of them ") and "reports/reference" in last


def test_plan_names_what_makes_a_record_stale(ffrepro, finish, plans, edit):
    finish(plans[RUN])
    edit("clip_norm: {value: 1.0", "clip_norm: {value: 2.0")
    assert f"  stale: {RUN}: method.clip_norm" in ffrepro("plan")[1].splitlines()


def test_plan_as_json(ffrepro, finish, plans):
    finish(plans[RUN], seconds=120.0)
    code, out, _ = ffrepro("plan", "--json", "--experiment", "rnn_mcyt_corrected")
    document = json.loads(out)
    assert code == 0 and len(document["runs"]) == 4
    assert document["runs"][0] == {
        "run": RUN,
        "paper": "paper_a",
        "tables": ["table1", "table2"],
        "state": "done",
        "detail": "",
        "seconds": 120.0,
        "source": "mean of 1 finished",
        "memory_mb": 900.0,
        "disk_kb": document["runs"][0]["disk_kb"],
    }
    assert document["to_do"]["runs"] == 3 and document["to_do"]["unknown"] == 2


def test_plan_on_absent_hardware_is_no_failure(ffrepro):
    code, out, _ = ffrepro("plan", "--hardware", "h200")
    assert code == 0
    assert out.splitlines()[0] == "scale smoke, hardware h200; h200 is not this machine"
    assert "21 runs: 21 not run: no such hardware here" in out and "to do" not in out
    assert "on h200, which is not this machine: 21 runs of unknown length; " in out


def test_plan_tells_the_cost_on_every_hardware_here_or_not(ffrepro, finish, project):
    for name in ("cpu", "cuda"):
        for plan in open_workspace(project, wanted=[name]).plans:
            if plan["experiment"] == "rnn_mcyt_corrected" and plan["seed"] == 0:
                finish(plan, seconds=60.0 if name == "cpu" else 4.0, folder="reports/reference")
    code, out, _ = ffrepro("plan", "--hardware", "cpu", "cuda", "--experiment", "rnn_mcyt_corrected")
    rows = [" ".join(line.split()) for line in out.splitlines()]
    assert code == 0 and "cpu rnn_mcyt_corrected ff_std 2 todo 60 s mean of 1 finished" in rows
    absent = "not run: no such hardware here"
    assert f"cuda rnn_mcyt_corrected bptt 2 {absent} 4.0 s mean of 1 finished" in rows
    assert rows[-2].startswith("to do: 4 runs, 4.0 min of work, about 2.0 min with 2 at once")
    assert rows[-1].startswith("on cuda, which is not this machine: 4 runs, 16 s of work, ")
    document = json.loads(ffrepro("plan", "--hardware", "cpu", "cuda", "--experiment", "rnn", "--json")[1])
    assert document["to_do"]["unknown"] == document["elsewhere"]["cuda"]["unknown"] == 8  # the other data set's


def test_plan_probes_one_run_of_each_kind_and_says_what_it_cannot_probe(ffrepro, project, monkeypatch):
    tried = []

    def measure(plan, place):
        if plan["dataset"] == "dollar":
            raise FfreproError("no prepared data", where="here", fix="ffrepro prepare dollar")
        tried.append(plan["run"].removeprefix("smoke/cpu/"))
        return {"epochs": 1, "max_epochs": 2, "time": {"train_s": 7.0, "evaluate_s": 0.0}}

    monkeypatch.setattr(probe, "measure", measure)
    code, out, err = ffrepro("plan", "--probe")
    assert code == 0 and tried == ["rnn_mcyt_corrected/bptt/seed0", "rnn_mcyt_corrected/ff_std/seed0"]
    rows = [" ".join(line.split()) for line in out.splitlines()]
    assert "cpu rnn_mcyt_as_published ff_std 2 todo 9.8 s a probe" in rows
    assert "not probed: 8 runs: no prepared data (ffrepro prepare dollar)" in err and "bench" in err
    assert ffrepro("plan")[1] == out  # the next command knows it too
    ffrepro("plan", "--probe", "--keep")
    assert len(tried) == 2
    assert len(json.loads((project / probes.COMMITTED).read_text())["probes"]) == 2
    assert ffrepro("plan", "--keep")[0] != 0


def test_plan_write_then_check(ffrepro, edit, project):
    code, out, _ = ffrepro("plan", "--check")
    assert code == 1 and "dvc.yaml: not up to date" in out and "plan/" not in out
    assert ffrepro("plan", "--write")[1].startswith("21 runs planned at scale smoke; 26 files written or removed\n")
    shutil.rmtree(project / "plan")  # not committed: a clean clone has none
    assert ffrepro("plan", "--check") == (0, "dvc.yaml is up to date, 21 runs are planned\n", "")
    edit("source: standin, seeds: 2", "source: standin, seeds: 1")
    assert ffrepro("plan", "--check")[0] == 1


def test_plan_check_holds_the_limits_of_the_scale(ffrepro, finish, project):
    assert ffrepro("plan", "--scale", "lite", "--check")[0] == 0
    for plan in open_workspace(project, "lite").plans:
        if plan["variant"] == "bptt":
            finish(plan, seconds=4000.0)
    code, out, _ = ffrepro("plan", "--scale", "lite", "--check")
    assert code == 1 and "may take 1 h" in out and "its share is 4 h" in out
    code, out, _ = ffrepro("plan", "--scale", "lite")
    assert code == 0 and "over the limit: paper_a" in out


def test_mistakes_exit_with_1_and_say_what_is_there(ffrepro, edit):
    code, out, err = ffrepro("plan", "--paper", "paper_b")
    assert (code, out) == (1, "")
    assert err == "ffrepro: error: unknown paper 'paper_b'\n  fix:   Did you mean 'paper_a'? Available: paper_a\n"
    edit("theta: {value: 7.0", "thetta: {value: 7.0")
    code, _, err = ffrepro("plan", "--write")
    assert code == 1 and "Did you mean 'theta'?" in err
    assert "variants.ff_std.set.thetta (src/ffrepro/studies/paper_a/study.yaml, line " in err


OUTSIDE = ("plan", "report", "trace table1", "track", "sync --to dvc", "export x.tgz", "import x.tgz", "bench rnn")


@pytest.mark.parametrize("command", OUTSIDE)
def test_outside_a_project(ffrepro, tmp_path_factory, monkeypatch, command):
    """Another program's params.yaml makes no project."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.chdir(elsewhere)
    for _ in range(2):
        code, out, err = ffrepro(*command.split())
        assert (code, out) == (1, "")
        assert f"where: {elsewhere}\n" in err and "params.yaml" in err.splitlines()[-1]
        (elsewhere / "params.yaml").write_text("prepare: {split: 0.2}\n")


@pytest.mark.parametrize("command", OUTSIDE)
def test_in_a_folder_of_the_project(ffrepro, project, monkeypatch, command):
    monkeypatch.chdir(project / "workflow/schemas")
    code, _, err = ffrepro(*command.split())
    assert code == 1 and err.endswith(f"fix:   cd {project}\n")


def test_fetch_needs_no_project(ffrepro, tmp_path_factory, monkeypatch):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.chdir(elsewhere)
    (elsewhere / "params.yaml").write_text("mirror: 5\n")  # another program's
    code, _, err = ffrepro("fetch", "mnist_test_labels", "--source", "standin")
    assert code == 1 and f"where: {elsewhere / 'params.yaml'}" in err
    (elsewhere / "params.yaml").write_text("prepare: {split: 0.2}\n")
    assert ffrepro("fetch", "mnist_test_labels", "--source", "standin")[0] == 0
    assert (elsewhere / "data/raw/standin/t10k-labels-idx1-ubyte.gz").is_file()


def test_export_and_import(ffrepro, finish, plans, project):
    code, _, err = ffrepro("export", "records.tar.gz")
    assert code == 1 and "none of the 21 chosen runs is finished" in err
    finish(plans[RUN])
    assert ffrepro("export", "records.tar.gz")[1].startswith("records.tar.gz: 1 records, ")
    assert ffrepro("import", "records.tar.gz")[:2] == (0, "runs: 0 imported, 1 there already, 0 refused\n")
    shutil.rmtree(project / "runs")
    assert ffrepro("import", "records.tar.gz")[:2] == (0, "runs: 1 imported, 0 there already, 0 refused\n")
    assert "1 done" in ffrepro("plan")[1]
    assert ffrepro("import", "records.tar.gz", "--to", "reports/reference")[0] == 0
    assert list(json.loads((project / "reports/reference/index.json").read_text())) == [RUN]
    finish(plans[RUN], accuracy=0.1)
    code, out, _ = ffrepro("import", "records.tar.gz")
    assert code == 1 and f"refused: {RUN}: the record here is of the same plan but has other content" in out
    assert ffrepro("import", "records.tar.gz", "--replace")[0] == 0
    assert ffrepro("import", "nothing.tar.gz")[0] == 1


def test_export_leaves_out_what_is_out_of_date(ffrepro, finish, plans, edit):
    finish(plans[RUN])
    finish(plans[RUN.replace("bptt", "ff_std")])
    edit("clip_norm: {value: 1.0", "clip_norm: {value: 2.0")
    out = ffrepro("export", "records.tar.gz")[1]
    assert "1 records" in out and "left out: 1 records of other settings or code" in out


def test_sync_refuses_while_files_are_out_of_date(ffrepro):
    code, _, err = ffrepro("sync", "--to", "dvc")
    assert code == 1 and "26 generated files are out of date" in err and "ffrepro plan --write" in err


@pytest.fixture
def fast_doctor(monkeypatch):
    """Leave out what starts other interpreters."""
    monkeypatch.setattr(startup.engines, "run", lambda *arguments, **options: "")
    monkeypatch.setattr(doctor, "_python", lambda code: None if "torchvision" in code else "2.13.0 False False")


def test_doctor_tells_needed_from_nice_to_have(ffrepro, fast_doctor, project, monkeypatch):
    ffrepro("plan", "--write")
    (project / "requirements.txt").write_text("# pins\npytest==0.1\nnumpy==99.0 # newer\n")
    code, out, _ = ffrepro("doctor")
    assert code == 0
    assert "warn: pytest: pinned is 0.1: numbers may differ in the last digits" in out
    assert "warn: import torchvision: foreign models and transforms of one's own need it, no run here does" in out
    assert "profiles cpu (best: cpu)" in out
    (project / "requirements.txt").write_text("no-such-package-at-all==1.0\n")
    code, out, _ = ffrepro("doctor")
    assert code == 1 and "FAIL: no-such-package-at-all: make setup" in out


def test_doctor_on_a_broken_params_file_and_a_mirror_that_is_not_there(ffrepro, fast_doctor, edit, monkeypatch):
    edit("scale: smoke\n", "scale: smok\n")
    monkeypatch.setenv("FFREPRO_MIRROR", "/no/such/mirror")
    code, out, _ = ffrepro("doctor")
    assert code == 1
    assert "FAIL: params.yaml: Did you mean 'smoke'?" in out
    assert "/no/such/mirror: no archive of ours" in out


def test_doctor_finds_a_mirror_in_the_home_folder(ffrepro, fast_doctor, monkeypatch, tmp_path):
    archive = Archive("one", "one.tar.gz", (), None, "", (), "standin")
    monkeypatch.setattr(doctor, "ARCHIVES", {"one": archive})
    (tmp_path / "home/mirror").mkdir(parents=True)
    (tmp_path / "home/mirror/one.tar.gz").touch()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FFREPRO_MIRROR", "~/mirror")
    _, out, _ = ffrepro("doctor")
    assert "ok mirror ~/mirror: one" in " ".join(out.split())


def test_doctor_without_space(ffrepro, fast_doctor, monkeypatch):
    monkeypatch.setattr(startup.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 2**30}))
    code, out, _ = ffrepro("doctor")
    assert code == 1 and "FAIL: disk: free some: 2 GB are needed" in out


def test_show_prints_each_setting_with_the_line_that_set_it(ffrepro, project):
    study = "src/ffrepro/studies/paper_a/study.yaml"
    lines = (project / study).read_text().splitlines()
    code, out, _ = ffrepro("plan", "--show", "theta_mcyt_corrected/ff_std_theta2")
    assert code == 0 and out.startswith("smoke/cpu/theta_mcyt_corrected/ff_std_theta2/seed0 ") and study in out
    rows = {line.split()[0]: line.split(maxsplit=3)[1:] for line in out.splitlines()[2:]}
    assert list(rows) == [
        "data.length",
        "net.hidden",
        "method.norm",
        "method.theta",
        "training.max_epochs",
        "training.lr",
    ]
    for key, (value, place, source) in rows.items():
        line = lines[int(place.removeprefix("study.yaml:")) - 1]
        assert key.partition(".")[2] in line
        assert value.strip('"') in line
        assert source in line or (key, source) == ("method.theta", "grid of experiment theta")
    assert rows["training.max_epochs"][0] == "2"
    code, out, _ = ffrepro("plan", "--show", "lite/m2pro/rnn_mcyt_corrected/bptt/seed1")
    assert code == 0 and out.startswith("lite/m2pro/rnn_mcyt_corrected/bptt/seed1 ") and " 200 " in out
    code, out, _ = ffrepro("plan", "--show", "interleaved")
    assert (
        "variants.bptt.method.clip_norm" in out
        and "variants.ff_std.method.theta" in out
        and "bench.bench_rounds" in out
    )


def test_show_of_no_run_and_of_several(ffrepro):
    code, _, err = ffrepro("plan", "--show", "rnn_mcty_corrected")
    assert code == 1 and "Did you mean 'rnn_mcyt_corrected'?" in err
    code, _, err = ffrepro("plan", "--show", "ff_std")
    assert code == 1 and "smoke/cpu/rnn_dollar_corrected/ff_std" in err and "part of" in err
