"""Records between machines: the round trip, what is refused, and that a refusal leaves nothing behind."""

import io
import json
import tarfile

import pytest
from helpers.true_record import FINGERPRINT

from ffrepro.base.errors import FfreproError
from ffrepro.base.files import sha256_bytes, sha256_file
from ffrepro.pipeline import archive, transfer
from ffrepro.pipeline.workspace import open_workspace


@pytest.fixture
def plans(project):
    """Every planned run."""
    return {plan["run"]: plan for plan in open_workspace(project).plans}


RUN = "smoke/cpu/rnn_mcyt_corrected/bptt/seed0"
BENCH = "smoke/cpu/bench_dollar_corrected/interleaved/seed0"


@pytest.fixture
def packed(project, finish, plans):
    """An archive of a finished run, a finished bench and an unfinished run; their folders are gone afterwards."""
    folders = {run: finish(plans[run]) for run in (RUN, BENCH)}
    (folders[RUN] / "weights.pt").write_text("weights")
    other = RUN.replace("seed0", "seed1")
    partial = project / "runs" / other / ".partial-0123456789ab"
    partial.mkdir(parents=True)
    (partial / "state.pt").write_text("state")
    (partial / "metrics.jsonl").write_text("{}\n")
    folders[other] = partial.parent

    def pack(**options):
        target = project / "out.tar.gz"
        archive.pack(target, folders, **options)
        return target

    return pack


def names(path):
    with tarfile.open(path) as tar:
        return sorted(tar.getnames())


def test_weights_and_checkpoints_travel_only_when_asked_for(packed):
    plain = names(packed())
    assert plain == sorted(
        ["MANIFEST.json", *(f"{RUN}/{name}" for name in archive.FINAL), f"{BENCH}/run.json", f"{BENCH}/result.json"]
    )
    assert f"{RUN}/weights.pt" in names(packed(weights=True))
    partial = f"{RUN.replace('seed0', 'seed1')}/.partial-0123456789ab"
    assert set(names(packed(state=True))) - set(plain) == {f"{partial}/state.pt", f"{partial}/metrics.jsonl"}


def test_the_same_records_make_the_same_bytes(packed):
    assert sha256_file(packed()) == sha256_file(packed())


def take(project, path, plans, **options):
    options = {"replace": False, "reference": False} | options
    return transfer.take_in(archive.unpack(path), project, plans, **options)


def test_round_trip_is_exact_and_idempotent(project, packed, plans, tmp_path_factory):
    path = packed(weights=True)
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    taken = take(elsewhere, path, plans)
    assert sorted(taken.imported) == [BENCH, RUN] and not taken.refused and not taken.notes
    for run in (RUN, BENCH):
        for file in (project / "runs" / run).iterdir():
            assert (elsewhere / "runs" / run / file.name).read_bytes() == file.read_bytes()
    again = take(elsewhere, path, plans)
    assert sorted(again.unchanged) == [BENCH, RUN] and not again.imported


def test_unfinished_runs_can_go_on_elsewhere_but_not_over_work_that_is_there(packed, plans, tmp_path_factory):
    path, elsewhere, run = packed(state=True), tmp_path_factory.mktemp("elsewhere"), RUN.replace("seed0", "seed1")
    assert run in take(elsewhere, path, plans).imported
    state = elsewhere / "runs" / run / ".partial-0123456789ab/state.pt"
    assert state.read_text() == "state"
    state.write_text("further")
    assert take(elsewhere, path, plans).refused == {run: "unfinished, and there is work on this run here"}
    assert state.read_text() == "further"


def test_reference_takes_finished_records_without_weights_and_keeps_the_index(project, packed, plans):
    taken = take(project, packed(weights=True, state=True), plans, reference=True)
    assert sorted(taken.imported) == [BENCH, RUN]
    folder = project / "reports/reference"
    index = json.loads((folder / "index.json").read_text())
    assert list(index) == [BENCH, RUN]
    assert index[RUN] == {name: sha256_file(folder / RUN / name) for name in archive.FINAL}
    assert not (folder / RUN / "weights.pt").exists()
    assert not (folder / RUN.replace("seed0", "seed1")).exists()


def test_reference_keeps_the_manifest_of_the_records_own_data(project, packed, plans):
    """Only of the very data that the record was made from: MCYT's fingerprint is another one here."""
    prepared = project / "data/prepared/standin"
    prepared.mkdir(parents=True)
    (prepared / "dollar.json").write_text(json.dumps({"fingerprint": FINGERPRINT, "counts": {"human": 3}}))
    (prepared / "mcyt.json").write_text('{"fingerprint": "other"}')
    take(project, packed(), plans, reference=True)
    kept = project / "reports/reference/data"
    assert [path.name for path in kept.iterdir()] == ["dollar.json"]
    assert (kept / "dollar.json").read_bytes() == (prepared / "dollar.json").read_bytes()


def test_the_manifest_kept_is_that_of_the_set_a_run_read(project, plans, finish):
    folder = finish(plans[RUN])
    about = json.loads((folder / "run.json").read_text())
    about["data"] |= {"set": "dollar_close", "fingerprint": "c105" * 16}
    (folder / "run.json").write_text(json.dumps(about))
    prepared = project / "data/prepared/standin"
    prepared.mkdir(parents=True)
    for name, fingerprint in {"dollar": FINGERPRINT, "dollar_close": "c105" * 16}.items():
        (prepared / f"{name}.json").write_text(json.dumps({"fingerprint": fingerprint}))
    archive.pack(project / "one.tar.gz", {RUN: folder})
    take(project, project / "one.tar.gz", plans, reference=True)
    assert [path.name for path in (project / "reports/reference/data").iterdir()] == ["dollar_close.json"]


def test_the_index_grows_and_keeps_what_it_has(project, finish, plans):
    for run in (RUN, BENCH):
        path = project / "one.tar.gz"
        archive.pack(path, {run: finish(plans[run])})
        take(project, path, plans, reference=True)
    assert list(json.loads((project / "reports/reference/index.json").read_text())) == [BENCH, RUN]


def test_a_record_that_differs_is_refused_unless_replaced(project, packed, plans, finish):
    path = packed()
    finish(plans[RUN], accuracy=0.9)
    taken = take(project, path, plans)
    assert taken.refused == {RUN: "the record here is of the same plan but has other content"}
    assert json.loads((project / "runs" / RUN / "result.json").read_text())["metrics"]["test/accuracy"] == 0.9
    assert take(project, path, plans, replace=True).imported == [RUN]
    assert json.loads((project / "runs" / RUN / "result.json").read_text())["metrics"]["test/accuracy"] == 0.75


def test_a_record_of_another_plan_is_refused_and_the_difference_named(project, packed, plans, finish, edit):
    path = packed()
    edit("clip_norm: {value: 1.0", "clip_norm: {value: 2.0")
    now = {plan["run"]: plan for plan in open_workspace(project).plans}
    finish(now[RUN])
    taken = take(project, path, now)
    assert taken.refused[RUN] == "made with other settings than planned here: method.clip_norm"
    assert BENCH in taken.refused  # it times bptt too
    assert take(project, path, {}).refused[RUN] == "the record here is of another plan: method.clip_norm differ"
    replaced = take(project, path, now, replace=True)
    assert replaced.notes[RUN] == "made with other settings than planned here: method.clip_norm"


def test_other_code_is_taken_with_a_note_and_what_is_not_planned_too(packed, plans, tmp_path_factory):
    path = packed()
    changed = {run: plan | {"code": "other"} for run, plan in plans.items() if run == RUN}
    taken = take(tmp_path_factory.mktemp("elsewhere"), path, changed)
    assert sorted(taken.imported) == [BENCH, RUN]
    assert taken.notes == {RUN: "same settings, other code", BENCH: "not planned here: no report shows it"}


def test_an_interrupted_replacement_never_leaves_a_mixture_that_counts(project, packed, plans, finish, monkeypatch):
    path = packed()
    finish(plans[RUN], accuracy=0.9)
    calls = []

    def fails_at_the_third(target, data):
        calls.append(target.name)
        if len(calls) == 3:
            raise KeyboardInterrupt
        target.write_bytes(data)

    monkeypatch.setattr(transfer.files, "write_bytes", fails_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        take(project, path, plans, replace=True)
    assert not (project / "runs" / RUN / "result.json").exists()
    assert "result.json" not in calls


def tar_of(path, members, manifest=None):
    """An archive with any content: name -> bytes, or a TarInfo."""
    declared = manifest
    if declared is None:
        declared = {}
        for name, data in members:
            run, file = "/".join(name.split("/")[:5]), "/".join(name.split("/")[5:])
            declared.setdefault(run, {})[file] = sha256_bytes(data) if isinstance(data, bytes) else ""
    with tarfile.open(path, "w:gz") as tar:
        for name, data in [("MANIFEST.json", json.dumps({"schema": 1, "records": declared}).encode()), *members]:
            info = data if isinstance(data, tarfile.TarInfo) else tarfile.TarInfo(name)
            content = data if isinstance(data, bytes) else b""
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def link(name, target, kind=tarfile.SYMTYPE):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "/etc/passwd",
        "a/b/c/../seed0/run.json",
        "a/b/c/../../../../../../tmp/x/seed0/run.json",
        "a/b/c/..x/../seed0/run.json",
        "a/b/c/d/seed0/../../run.json",
        "a/b/c/d/seed0/.partial-ab/../../run.json",
        "a/b/c/d/seed0/run.py",
        "a/b/c/d/seed0/.partial-ab/run.json",
        "a/b/c/d/seedx/run.json",
        "a/b/c/d/seed0/run.json/x",
        ".git/b/c/d/seed0/run.json",
        "a\\b/b/c/d/seed0/run.json",
    ],
)
def test_paths_that_lead_elsewhere_are_refused(tmp_path, name):
    path = tar_of(tmp_path / "evil.tar.gz", [(name, b"x")])
    with pytest.raises(FfreproError, match="archive refused"):
        archive.unpack(path)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
def test_links_and_special_files_are_refused(tmp_path, kind):
    name = "a/b/c/d/seed0/run.json"
    path = tar_of(tmp_path / "evil.tar.gz", [(name, link(name, "/etc/passwd", kind))])
    with pytest.raises(FfreproError, match="archive refused"):
        archive.unpack(path)


def test_content_that_is_not_the_manifests_is_refused(tmp_path):
    name, run = "a/b/c/d/seed0/run.json", "a/b/c/d/seed0"
    members = [(name, b"x")]
    for manifest, message in (
        ({run: {"run.json": "0" * 64}}, "its content is not what the manifest says"),
        ({run: {}}, "in the manifest or in the archive, not in both"),
        ({run: {"run.json": sha256_bytes(b"x"), "result.json": "0" * 64}}, "not in both"),
    ):
        with pytest.raises(FfreproError, match=message):
            archive.unpack(tar_of(tmp_path / "bad.tar.gz", members, manifest))


def test_what_is_no_archive_is_refused(tmp_path, packed):
    text = tmp_path / "text.tar.gz"
    text.write_text("hello")
    with pytest.raises(FfreproError, match="archive refused"):
        archive.unpack(text)
    whole = packed().read_bytes()
    (tmp_path / "half.tar.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FfreproError, match="archive refused"):
        archive.unpack(tmp_path / "half.tar.gz")
    with tarfile.open(tmp_path / "empty.tar.gz", "w:gz"):
        pass
    with pytest.raises(FfreproError, match=r"no readable MANIFEST\.json"):
        archive.unpack(tmp_path / "empty.tar.gz")


@pytest.mark.parametrize(
    ("change", "file"),
    [
        (lambda entry: entry.pop("arrays.npz"), "seed0"),
        (lambda entry: entry.update({"run.json": entry["run.json"].replace(b"seed0", b"seed1")}), "run.json"),
        (lambda entry: entry.update({"run.json": entry["run.json"].replace(b"1.0", b"9.0", 1)}), "run.json"),
        (lambda entry: entry.update({"run.json": b"[]"}), "run.json"),
    ],
)
def test_a_record_that_contradicts_itself_is_refused_and_the_others_are_taken(
    packed, plans, tmp_path_factory, change, file
):
    content, elsewhere = archive.unpack(packed()), tmp_path_factory.mktemp("elsewhere")
    change(content[RUN])
    taken = transfer.take_in(content, elsewhere, plans, replace=True, reference=False)
    assert list(taken.bad) == [RUN] and f"({file})" in taken.bad[RUN]
    assert taken.imported == [BENCH] and not (elsewhere / "runs" / RUN).exists()


@pytest.mark.parametrize(
    ("names", "place"),
    [
        (["metrics.jsonl"], "metrics.jsonl"),
        (["run.json"], "run.json"),
        (["run.json", "metrics.jsonl", "arrays.npz"], "arrays.npz, metrics.jsonl, run.json"),
        (["weights.pt"], "weights.pt"),
        ([".partial-ab/state.pt", ".partial-ab/metrics.jsonl", "metrics.jsonl"], "metrics.jsonl"),
        ([".partial-ab/metrics.jsonl"], ".partial-ab/state.pt"),
        ([".partial-ab/state.pt", ".partial-cd/metrics.jsonl"], ".partial-cd/state.pt"),
    ],
)
@pytest.mark.parametrize("content", [b"{}\n", b"not json"])
@pytest.mark.parametrize("replace", [True, False])
def test_pieces_of_a_record_are_refused(tmp_path, plans, names, place, content, replace):
    """Neither a record nor an unfinished run: nothing of it is written; what else is in the archive is taken."""
    whole = RUN.replace("seed0", "seed1")
    path = tar_of(
        tmp_path / "some.tar.gz",
        [(f"{whole}/.partial-ab/state.pt", b"x"), *((f"{RUN}/{name}", content) for name in names)],
    )
    taken = take(tmp_path, path, plans, replace=replace)
    assert list(taken.bad) == [RUN] and place in taken.bad[RUN]
    assert taken.imported == [whole] and not (tmp_path / "runs" / RUN).exists()


def test_a_run_that_was_stopped_before_its_first_checkpoint_is_not_packed(project, tmp_path):
    partial = project / "runs" / RUN / ".partial-0123456789ab"
    partial.mkdir(parents=True)
    (partial / "metrics.jsonl").write_text("{}\n")
    assert archive.pack(tmp_path / "a.tar.gz", {RUN: partial.parent}, state=True) == {}


@pytest.mark.parametrize("name", ["../../secret", "/etc", "", 3, None, ["standin"]])
@pytest.mark.parametrize("key", ["source", "set"])
def test_a_record_whose_data_set_is_a_path(packed, plans, tmp_path_factory, key, name):
    content, elsewhere = archive.unpack(packed()), tmp_path_factory.mktemp("elsewhere")
    about = json.loads(content[RUN]["run.json"])
    about["data"][key] = name
    content[RUN]["run.json"] = json.dumps(about).encode()
    taken = transfer.take_in(content, elsewhere, plans, replace=False, reference=True)
    assert list(taken.bad) == [RUN] and taken.imported == [BENCH]
    assert not (elsewhere / "reports/reference" / RUN).exists()


def test_a_file_twice_is_refused(tmp_path):
    """Else the hash of the last one would vouch for whichever was looked at."""
    path = tar_of(tmp_path / "a.tar.gz", [(f"{RUN}/run.json", b"x"), (f"{RUN}/run.json", b"x")])
    with pytest.raises(FfreproError, match="twice"):
        archive.unpack(path)


def test_a_declared_terabyte_is_refused(tmp_path):
    info = tarfile.TarInfo("MANIFEST.json")
    info.size = 1 << 40
    (tmp_path / "a.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(10_240))
    with pytest.raises(FfreproError, match="archive refused") as error:
        archive.unpack(tmp_path / "a.tar")
    assert error.value.where == tmp_path / "a.tar"


@pytest.mark.parametrize("manifest", [[], "x", {"a": 3}, {RUN: []}])
def test_manifests_that_are_none(tmp_path, manifest):
    with pytest.raises(FfreproError):
        archive.unpack(tar_of(tmp_path / "a.tar.gz", [(f"{RUN}/run.json", b"x")], manifest))


def test_no_archive_at_all(tmp_path):
    with pytest.raises(FfreproError) as error:
        archive.unpack(tmp_path / "nowhere.tar.gz")
    assert error.value.where == tmp_path / "nowhere.tar.gz"
