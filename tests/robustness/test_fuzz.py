"""Hostile files for every reader: each ends in a message of its own, or in a result that the file really holds.

``FFREPRO_CAMPAIGN=long`` tries twenty times as many.
"""

import gzip
import io
import json
import os
import shutil
import tarfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from helpers import mutations, small_project, true_record
from helpers.movements import make_set, recording

from ffrepro.base import files, studies, yamlfile
from ffrepro.base.errors import FfreproError
from ffrepro.claims import evidence_sections, export, expressions, load, reference
from ffrepro.claims.audit import form
from ffrepro.claims.records import Store
from ffrepro.cli.main import main
from ffrepro.data import trajectory_set
from ffrepro.data.archives import ARCHIVES
from ffrepro.data.fetch import fetch
from ffrepro.data.negatives import planning, plans
from ffrepro.kinematics.extraction import Settings
from ffrepro.pipeline import archive, hardware, probes
from ffrepro.pipeline.workspace import open_workspace
from ffrepro.training import record_check

TIMES = 20 if os.environ.get("FFREPRO_CAMPAIGN") == "long" else 1
ROOT = Path(__file__).parents[2]
RUN = "smoke/cpu/rnn_mcyt_corrected/bptt/seed0"
EVIDENCE = ROOT / "reports/reference"
KINDS = {
    "train": "lite/cpu/rnn_dollar_corrected/ff_std/seed0",
    "bench": "lite/cpu/bench_dollar_corrected/interleaved/seed0",
}


class Tally:
    """Counts how commands ended; an error that nobody foresaw fails the test with its damage."""

    def __init__(self, capsys):
        self.counts, self._capsys, self.out = Counter(), capsys, ""
        self.unforeseen = []

    def run(self, what, *arguments):
        """Run a command; its exit code."""
        code = main([str(argument) for argument in arguments])
        self.out, err = self._capsys.readouterr()
        assert code in (0, 1, 2), f"{what}: exit code {code}"
        assert code == 0 or err.strip() or self.out.strip(), f"{what}: no message"
        assert "Traceback" not in err + self.out, f"{what}: {err}"
        if "error: unexpected" in err:
            self.unforeseen.append(f"{what}: {err.strip()}")
        self.counts["done" if code == 0 else "refused"] += 1
        return code

    def report(self, name):
        with self._capsys.disabled():
            print(f"\n{name}: {dict(self.counts)}, unforeseen {len(self.unforeseen)}", end=" ")
        assert self.unforeseen == []


@pytest.fixture
def tally(capsys, request):
    found = Tally(capsys)
    yield found
    found.report(request.node.name)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The small project of the pipeline's tests, made once."""
    return small_project.make(tmp_path_factory.mktemp("made"))


@pytest.fixture
def project(made, tmp_path, monkeypatch):
    """A copy of the small project with one finished run."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FFREPRO_MIRROR", raising=False)
    monkeypatch.delenv("FFREPRO_TRACEBACK", raising=False)
    monkeypatch.setattr(hardware, "this_machine", lambda: hardware.Machine("Test CPU"))
    plan = next(plan for plan in open_workspace(tmp_path).plans if plan["run"] == RUN)
    # The small project's plans have not all settings that metrics depend on.
    monkeypatch.setattr(record_check, "check_measured", lambda *_: None)
    made_record = true_record.files_of(plan)
    for name, content in made_record.items():
        files.write_bytes(tmp_path / "runs" / RUN / name, content)
    files.write_json(tmp_path / "plan" / f"{RUN}.json", plan)
    probes.add(tmp_path, "Test CPU", probes.Probe(plan, json.loads(made_record["result.json"])))
    return tmp_path


def versions(path, seed, count, shape=False):
    """Hostile versions of a file; with ``shape``, of the JSON in it, too."""
    content = path.read_bytes()
    yield from mutations.damaged(content, seed, count * TIMES)
    if shape:
        yield from mutations.reshaped(content, seed, count * TIMES)


def test_readers_refuse_or_read_what_is_there(tmp_path):
    """JSON that the guarded reader takes is what a plain parser finds."""
    path, counts = tmp_path / "a.json", Counter()
    for source in (EVIDENCE / run / name for run in KINDS.values() for name in ("run.json", "result.json")):
        for what, data in versions(source, 1, 60, shape=True):
            path.write_bytes(data)
            try:
                value = files.read_json(path)
            except FfreproError as error:
                assert str(path) in str(error.where), what
                counts["refused"] += 1
                continue
            assert value == json.loads(data), what
            counts["read"] += 1
    for source in (EVIDENCE / KINDS["train"] / "metrics.jsonl", ROOT / "params.yaml", *ROOT.glob("workflow/*.yaml")):
        read = files.read_json_lines if source.suffix == ".jsonl" else yamlfile.load
        for what, data in versions(source, 2, 12):
            path.write_bytes(data)
            try:
                read(path)
                counts["read"] += 1
            except FfreproError as error:
                assert str(path) in str(error.where), what
                counts["refused"] += 1
    print(dict(counts), end=" ")
    assert counts["refused"] > 250 and counts["read"] > 100


# Nine lines that mean a billion values.
LAUGHS = "a: &a [x]\n"
LAUGHS += "".join(f"{b}: &{b} [{','.join([f'*{a}'] * 10)}]\n" for a, b in zip("abcdefgh", "bcdefghi"))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1\nb: [1, 2\n", 3),
        ("a: 1\na: 2\n", 2),
        ("a: !!python/object/apply:os.system [x]\n", 1),
        ("a: 2024-01-01\n", 1),
        ("a: 1\nb: 1:30\n", 2),
        ("a: 010\n", 1),
        ("a: .nan\n", 1),
        ("a: 1.0e+999\n", 1),
        (f"a: {'9' * 5000}\n", 1),
        ("1: a\n", 1),
        ("? [a]\n: b\n", 1),
        ("a: &x [*x]\n", 1),
        ("a: &x\n  <<: *x\n", 1),
        ("a: 1\n<<: [1]\n", 2),
        ("a: *unknown\n", 1),
        ("a: 1\n---\nb: 2\n", 2),
        ("- a\n", 1),
        ("text\n", 1),
        ("", 1),
        ("a: " + "- " * 100_000, 1),
        ("- " * 100_000, 1),
        ("a: " + "[" * 100_000, 1),
        ("{a: " * 100_000, 1),
        ("".join(f"{' ' * n}a:\n" for n in range(2500)), 101),
        (
            "a: &a [x]\n"
            + "".join(f"{b}: &{b} [{','.join([f'*{a}'] * 10)}]\n" for a, b in zip("abcdefgh", "bcdefghi")),
            None,
        ),
    ],
    ids=range(25),
)
def test_yaml_that_is_refused_with_its_line(tmp_path, text, line):
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(FfreproError) as error:
        yamlfile.load(path)
    assert str(error.value.where).startswith(f"{path}:{line}" if line else str(path))


def test_what_yaml_may_hold_is_read(tmp_path):
    path = tmp_path / "a.yaml"
    text = "a: &x {p: 1, q: yes}\nb:\n  <<: *x\n  q: 'no'\nc: [1.5, -2, 1.0e-3, ~, text]\n"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    value, lines = yamlfile.load(path)
    assert value == {"a": {"p": 1, "q": True}, "b": {"p": 1, "q": "no"}, "c": [1.5, -2, 0.001, None, "text"]}
    assert (lines[("b", "q")], lines[("c", 4)]) == (4, 5)


@pytest.mark.parametrize("read", [files.read_json, files.read_json_lines, yamlfile.load])
def test_folders_pipes_and_large_files_are_refused_by_name(tmp_path, read):
    os.mkfifo(tmp_path / "pipe")
    with open(tmp_path / "large", "wb") as file:
        file.truncate(65 << 20)
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "large"):
        with pytest.raises(FfreproError) as error:
            read(path)
        assert error.value.where == path


HOSTILE = (
    "", "min([])", "min(1)", "abs([1])", "[1] < [2]", "[1] + [2]", "[1] * 9", "-[1]", "c1 < 'a'", "True + 1", "None",
    "all([1])", "all([])", "any([[1 < 2]])", "count([1])", "sum([[1]])", "max([1 < 2])", "1 < 2 < 3", "(1 < 2) + 1",
    "1j", "9" * 400, "1e999", "9" * 5000, "-" * 900 + "1", "-" * 90_000 + "1", "(" * 250 + "1" + ")" * 250,
    "1+" * 400 + "1", "[" * 190 + "]" * 190, "c1 ** 99999999", "1 << 9999", "lambda: 1", "c1.x", "f'{c1}'", "min",
    "(yield)", "a\0b", "c1 if c1 else c1", "min(*c1)", "min([1], [2])", "c1 @ c1", "not c1", "c1 and c1", "{1}", "...",
    "c1[0]", "c2 < 1", "c3 + 1",
)  # fmt: skip


def test_expressions_give_a_number_a_truth_value_or_a_message():
    values = {"c1": 1.0, "c2": "text", "c3": [1.0]}
    for expression in (*HOSTILE, None, 5, ["c1"]):
        with pytest.raises(FfreproError):
            expressions.number(expression, values)
        with pytest.raises(FfreproError):
            expressions.truth(expression, values)
    rng = np.random.default_rng(3)
    pieces = ["c1", "1", "0", "[", "]", "(", ")", "+", "-", "*", "/", "<", "==", ",", "min", "count", " ", "1e308"]
    counts = Counter()
    for _ in range(2000 * TIMES):
        try:
            value = expressions.evaluate("".join(rng.choice(pieces, rng.integers(1, 12))), values)
            counts["value"] += 1
            assert isinstance(value, int | float | list)
        except FfreproError:
            counts["refused"] += 1
    assert counts["value"] > 50 and counts["refused"] > 500


@pytest.mark.parametrize("name", ["params.yaml", "src/ffrepro/studies/paper_a/study.yaml", ".ffrepro/probes.json"])
def test_plan_with_hostile_parameters(project, tally, name):
    path = project / name
    for what, data in versions(path, 4, 12):
        path.write_bytes(data)
        tally.run(what, "plan")
    path.unlink()
    path.mkdir()
    tally.run("a folder", "plan")
    assert tally.counts["refused"] >= 9


@pytest.mark.parametrize("name", ["run.json", "result.json", "metrics.jsonl"])
def test_plan_with_hostile_records(project, tally, name):
    """A record that cannot be read is not there; its run is not done."""
    path = project / "runs" / RUN / name
    for what, data in versions(path, 5, 8, shape=name != "metrics.jsonl"):
        path.write_bytes(data)
        code = tally.run(what, "plan", "--json", "--experiment", "rnn_mcyt_corrected")
        state = next(entry["state"] for entry in json.loads(tally.out)["runs"] if entry["run"] == RUN)
        try:
            readable = name == "metrics.jsonl" or files.read_json(path)
        except FfreproError:
            readable = False
        assert code == (state == "bad"), what
        assert readable or state in ("todo", "bad"), what


@pytest.mark.parametrize("kind", KINDS)
def test_the_report_with_hostile_records(tmp_path, kind):
    """A record is left out with its reason, refused by name, or shown with the numbers that its file holds."""
    run = KINDS[kind]
    good = tmp_path / "good"
    shutil.copytree(EVIDENCE / run, good)
    plan = files.read_json(good / "run.json")["plan"]
    folder, counts = tmp_path / "runs" / run, Counter()
    for name in sorted(path.name for path in good.iterdir()):
        for what, data in versions(good / name, 6, 10, shape=name.endswith(".json")):
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(good, folder)
            (folder / name).write_bytes(data)
            store = Store(tmp_path, [plan], ["cpu"])
            records = store.of_scale("lite")
            assert records or store.left_out, what
            if not records:
                counts["left out"] += 1
                continue
            try:
                text = export.results_csv(records) + export.curves_csv(records)
                export.metrics(records)
                evidence_sections.tail(store, "lite")
                records[0].arrays()
            except FfreproError as error:
                assert str(folder / name) in str(error.where), what
                counts["refused"] += 1
                continue
            counts["shown"] += 1
            if name == "result.json" and kind == "train":
                assert repr(json.loads(data)["metrics"]["test/auc"]) in text, what
    print(dict(counts), end=" ")
    assert counts["left out"] > 20


def test_import_of_hostile_archives(project, tally):
    """Whatever the archive is: a record comes in wholly or not at all."""
    good = project / "good.tar.gz"
    archive.pack(good, {RUN: project / "runs" / RUN})
    content = {path.name: path.read_bytes() for path in (project / "runs" / RUN).iterdir()}
    hostile = list(versions(good, 7, 6))
    for name in ("run.json", "result.json", "metrics.jsonl"):
        damage = list(mutations.damaged(content[name], 8, 1 * TIMES))[:: 1 if TIMES > 1 else 3]
        damage += mutations.reshaped(content[name], 8, 4 * TIMES) if name != "metrics.jsonl" else []
        for what, data in damage:
            hostile.append((f"{name}: {what}", _archive(content | {name: data}, None)))
    manifest = json.dumps({"schema": 1, "records": {RUN: {"run.json": "0" * 64}}}).encode()
    for what, data in [*mutations.damaged(manifest, 9, 1), *mutations.reshaped(manifest, 9, 4)]:
        hostile.append((f"manifest: {what}", _archive(content, data)))
    shutil.rmtree(project / "runs")
    path = project / "hostile.tar.gz"
    for what, data in hostile:
        path.write_bytes(data)
        code = tally.run(what, "import", path, "--replace")
        there = {file.name: file.read_bytes() for file in (project / "runs").rglob("*") if file.is_file()}
        if not what.startswith(("run.json", "result.json", "metrics.jsonl")):
            assert there in ({}, content), what
        assert code or set(there) == set(content), what
        shutil.rmtree(project / "runs", ignore_errors=True)
    assert tally.counts["refused"] > 40


def _archive(content, manifest):
    """An archive of a record as ``ffrepro export`` makes it, with hashes that fit unless a manifest is given."""
    if manifest is None:
        hashes = {name: files.sha256_bytes(data) for name, data in content.items()}
        manifest = json.dumps({"schema": 1, "records": {RUN: hashes}}).encode()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in {"MANIFEST.json": manifest, **{f"{RUN}/{n}": d for n, d in content.items()}}.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return gzip.compress(buffer.getvalue(), 1)


@pytest.mark.parametrize("command", [("train",), ("baseline",), ("evaluate",), ("bench", "--plan")], ids=lambda c: c[0])
def test_commands_with_hostile_plan_files(project, tally, command):
    path = project / "plan" / f"{RUN}.json"
    for what, data in mutations.damaged(path.read_bytes(), 10, 0):
        path.write_bytes(data)
        assert tally.run(what, *command, path) == 1, what
    path.unlink()
    path.mkdir()
    assert tally.run("a folder", *command, path) == 1
    assert tally.run("nothing", *command, project / "absent.json") == 1


def test_kinematics_of_hostile_csv_files(tmp_path, monkeypatch, tally):
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"{x:g},{y:g},{t:g}\n" for x, y, t in zip(*recording(1), strict=True))
    (tmp_path / "good.csv").write_text(rows)
    for what, data in mutations.damaged(rows.encode(), 11, 0):
        (tmp_path / "a.csv").write_bytes(data)
        if what not in ("twice", "UTF-16"):  # its clock starts again: not wrong by its form; the other is read
            assert tally.run(what, "kinematics", "show", "a.csv", "--copies", "1") == 1, what


@pytest.mark.parametrize("name", ["dollar.npz", "dollar.json"])
def test_hostile_prepared_sets(tmp_path, monkeypatch, tally, name):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "data/prepared/standin" / name
    trajectory_set.save(make_set([recording(1), recording(2)], [0, 1]), path.with_suffix(".npz"))
    for what, data in list(versions(path, 12, 6, shape=name.endswith("json"))):
        path.write_bytes(data)
        tally.run(what, "kinematics", "show", "dollar/absent", "--source", "standin")


@pytest.mark.parametrize("name", ["SHA256SUMS", "PROVENANCE.json"])
def test_hostile_mirrors(tmp_path, monkeypatch, tally, name):
    """Whatever a mirror's lists are: no archive of other content than they state gets its name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("ffrepro.data.fetch._from_upstream", _no_upstream)
    entry = ARCHIVES["mnist_test_labels"]
    made = fetch(entry.name, "standin", tmp_path / "made", say=lambda line: None)
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    shutil.copy(made, mirror)
    (mirror / "SHA256SUMS").write_text(f"{files.sha256_file(made)}  {entry.file}\n")
    files.write_json(mirror / "PROVENANCE.json", {entry.file: "a stand-in"})
    for what, data in list(versions(mirror / name, 13, 10, shape=name.endswith("json"))):
        (mirror / name).write_bytes(data)
        code = tally.run(what, "fetch", entry.name, "--mirror", mirror)
        there = tmp_path / "data/raw/upstream" / entry.file
        assert there.is_file() == (code == 0), what
        assert code or files.sha256_file(there) == files.sha256_file(made), what
        shutil.rmtree(tmp_path / "data", ignore_errors=True)


@pytest.mark.parametrize("name", ["claims.yaml", "study.yaml", "audit.yaml", "docs.yaml"])
def test_hostile_files_of_a_study(tmp_path, monkeypatch, name):
    """Each is refused by name, or read."""
    paper = studies.having("audit.yaml")[0]
    shutil.copytree(studies.FOLDER / paper, tmp_path / paper)
    monkeypatch.setattr(studies, "FOLDER", tmp_path)
    path, counts = tmp_path / paper / name, Counter()
    for what, data in list(versions(path, 15, 6)):
        path.write_bytes(data)
        try:
            if name == "audit.yaml":
                form.load(path)
            elif name == "docs.yaml":
                yamlfile.load(path)
            else:
                load.load(ROOT, paper)
            counts["read"] += 1
        except FfreproError as error:
            assert error.what and error.where is not None, what
            counts["refused"] += 1
    print(dict(counts), end=" ")
    assert counts["refused"] > 5


@pytest.mark.parametrize("name", ["t10k-labels-idx1-ubyte.gz", "t10k-labels-idx1-ubyte.gz.json"])
def test_prepare_with_hostile_raw_files(tmp_path, monkeypatch, tally, name):
    monkeypatch.chdir(tmp_path)
    for part in ("mnist_train_images", "mnist_train_labels", "mnist_test_images", "mnist_test_labels"):
        fetch(part, "standin", tmp_path / "data/raw", say=lambda line: None)
    path = tmp_path / "data/raw/standin" / name
    for what, data in list(versions(path, 16, 4)):
        path.write_bytes(data)
        code = tally.run(what, "prepare", "mnist", "--source", "standin")
        assert code == 1 or name.endswith("json"), what


@pytest.mark.parametrize("name", ["dollar.npz", "dollar.json"])
def test_negatives_of_hostile_stroke_plans(tmp_path, monkeypatch, tally, name):
    monkeypatch.chdir(tmp_path)
    data = make_set([recording(1), recording(2)], [0, 1])
    trajectory_set.save(data, tmp_path / "data/prepared/standin/dollar.npz")
    plans.save(planning.extract_set(data, Settings(), 1), tmp_path / "data/plans/standin/dollar.npz")
    path = tmp_path / "data/plans/standin" / name
    for what, content in list(versions(path, 17, 4)):
        path.write_bytes(content)
        tally.run(what, "negatives", "dollar", "--level", "close", "--source", "standin")


def test_hostile_index_of_the_evidence(tmp_path):
    path, counts = tmp_path / "reports/reference/index.json", Counter()
    path.parent.mkdir(parents=True)
    for what, data in versions(EVIDENCE / "index.json", 18, 6, shape=True):
        path.write_bytes(data)
        try:
            assert all(isinstance(entry, dict) for entry in reference.index(tmp_path).values()), what
            counts["read"] += 1
        except FfreproError as error:
            assert str(path) in str(error.where), what
            counts["refused"] += 1
    print(dict(counts), end=" ")
    assert counts["refused"] > 10


def _no_upstream(*arguments):
    raise FfreproError("no upstream in a test")
