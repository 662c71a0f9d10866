"""The job list, by content."""

from ffrepro.data.archives import ARCHIVES
from ffrepro.pipeline.jobs import Job
from ffrepro.pipeline.workspace import open_workspace

RAW = f"data/raw/standin/{ARCHIVES['trajectories'].file}"

STUDY = "src/ffrepro/studies/paper_a/study.yaml"


def jobs(project, scale=None):
    return {job.name: job for job in open_workspace(project, scale).jobs}


def test_every_job_once_and_every_input_made_or_in_the_repository(project):
    listed = open_workspace(project).jobs
    assert len({job.name for job in listed}) == len(listed) == 1 + 2 + 21 + 2 + 1 + 1 + 1
    made = [path for job in listed for path in job.outputs]
    assert len(set(made)) == len(made)
    others = {path for job in listed for path in job.inputs} - set(made)
    assert all(path.startswith(("plan/", "src/", "params.yaml", "workflow/", "reports/reference/")) for path in others)


def test_data_jobs(project):
    listed = jobs(project)
    code = ("src/ffrepro/data/__init__.py", "src/ffrepro/data/standin.py", "src/ffrepro/data/trajectories.py")
    assert listed["fetch/standin/trajectories"] == Job(
        "fetch/standin/trajectories", "ffrepro fetch trajectories --source standin", code, (RAW, f"{RAW}.json")
    )
    assert listed["prepare/standin/mcyt"] == Job(
        "prepare/standin/mcyt",
        "ffrepro prepare mcyt --source standin",
        (RAW, f"{RAW}.json", *(f"src/ffrepro/data/{name}.py" for name in ("__init__", "mcyt", "trajectories"))),
        ("data/prepared/standin/mcyt.npz", "data/prepared/standin/mcyt.json"),
    )


def test_no_edit_of_code_downloads_real_data_again(project):
    assert jobs(project, "lite")["fetch/upstream/trajectories"].inputs == ()


def test_run_jobs(project):
    listed = jobs(project)
    run = "smoke/cpu/rnn_mcyt_corrected/ff_std/seed0"
    data = ("data/prepared/standin/mcyt.npz", "data/prepared/standin/mcyt.json")
    assert listed[f"train/{run}"] == Job(
        f"train/{run}",
        f"ffrepro train plan/{run}.json",
        (f"plan/{run}.json", *data),
        tuple(f"runs/{run}/{name}" for name in ("run.json", "metrics.jsonl", "result.json", "arrays.npz")),
    )
    bench = listed["bench/smoke/cpu/bench_dollar_corrected/interleaved/seed0"]
    assert bench.command == "ffrepro bench --plan plan/smoke/cpu/bench_dollar_corrected/interleaved/seed0.json"
    assert [path.rpartition("/")[2] for path in bench.outputs] == ["run.json", "result.json"]


def test_threads_come_from_the_hardware_profile(project):
    params = project / "params.yaml"
    text = params.read_text()
    assert text.count("  cpu: {device: cpu, precision: float32, threads: 1,") == 1
    params.write_text(
        text.replace(
            "  cpu: {device: cpu, precision: float32, threads: 1,",
            "  cpu: {device: cpu, precision: float32, threads: 3,",
        )
    )
    runs = [job for job in jobs(project).values() if job.kind in ("train", "sklearn_baseline")]
    assert runs and all(
        job.command == f"ffrepro {job.kind} plan/{job.name.partition('/')[2]}.json --threads 3" for job in runs
    )
    assert all("--threads" not in job.command for job in jobs(project).values() if job.kind == "bench")


def test_a_table_waits_for_its_own_runs_and_the_report_for_all(project):
    listed = jobs(project)

    def runs(name):
        return [path for path in listed[name].inputs if path.startswith("runs/")]

    assert len(runs("table/smoke/paper_a/table1")) == 16
    assert len(runs("table/smoke/paper_a/table2")) == 17  # with the bench
    assert len(runs("report/smoke")) == len(runs("track/smoke")) == 21
    assert {"params.yaml", "reports/reference/index.json", "src/ffrepro/claims/load.py", STUDY} <= set(
        listed["report/smoke"].inputs
    )
    assert (
        listed["table/smoke/paper_a/table1"].command
        == "ffrepro report --scale smoke --table paper_a/table1 --exit-zero"
    )


def test_the_report_is_made_whatever_was_left_out_and_a_job_behind_it_fails(project):
    listed = jobs(project)
    assert listed["report/smoke"].command == "ffrepro report --scale smoke --exit-zero"
    assert set(listed["check/smoke"].inputs) < set(listed["report/smoke"].outputs)
    assert listed["check/smoke"].command == "ffrepro report --scale smoke --check"


def test_data_that_no_run_uses_is_not_prepared(project, edit):
    edit("datasets: [dollar, mcyt]\n", "datasets: [mcyt]\n")
    edit("datasets: [dollar]\n", "datasets: [mcyt]\n")
    assert [name for name in jobs(project) if name.startswith("prepare/")] == ["prepare/standin/mcyt"]


def test_a_data_set_of_several_files(project, edit):
    edit("mcyt: {archive: trajectories,", "mcyt: {archive: [mnist_train_images, mnist_train_labels],")
    listed = jobs(project, "lite")
    raw = [f"data/raw/upstream/train-{part}-ubyte.gz" for part in ("images-idx3", "labels-idx1")]
    assert listed["fetch/upstream/mnist_train_images"] == Job(
        "fetch/upstream/mnist_train_images",
        "ffrepro fetch mnist_train_images --source upstream",
        (),
        (raw[0], f"{raw[0]}.json"),
    )
    assert listed["prepare/upstream/mcyt"].inputs[:4] == (raw[0], f"{raw[0]}.json", raw[1], f"{raw[1]}.json")
    assert [name for name in listed if name.startswith("fetch/")] == [
        f"fetch/upstream/{name}" for name in ("trajectories", "mnist_train_images", "mnist_train_labels")
    ]
