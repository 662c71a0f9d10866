"""Preparing and loading: names become ids, bad samples are counted, the pair of files is checked."""

from __future__ import annotations

import json
import os
import unicodedata
from dataclasses import replace

import numpy as np
import pytest

from ffrepro import data
from ffrepro.base.errors import FfreproError
from ffrepro.data import dollar, mcyt, mobiletouch, raton
from ffrepro.data.trajectories import load, prepare

HEADER = "stroke_id\t x\t y\t time\t is_writing\n"


def csv(*points, stroke=1):
    """A file of the sets with tab and space; points are (x, y, t)."""
    rows = [f"{stroke:.6f} \t {x:.6f} \t {y:.6f} \t {t:.6f} \t 1.000000 \n" for x, y, t in points]
    return (HEADER + "".join(rows)).encode()


def plain(*points):
    return "\n".join(["stroke_id x y time is_writing", *(f"0 {x} {y} {t} 1" for x, y, t in points)]).encode()


GOOD = csv((1, 2, 0), (3, 4, 10), (5, 6, 20))
THREE = plain((1, 2, 0), (3, 4, 10), (5, 6, 20))
H, S = mcyt.SPEC.human_dir, mcyt.SPEC.synthetic_dir


def mcyt_members(count=150, **changed):
    """``count`` signatures a class; ``changed`` replaces contents by file name, None removes the synthetic one."""
    members = {}
    for index in range(count):
        name = f"{1 + index // 25:03d}g{1 + index % 25:02d}"
        members[f"{H}/{name}.csv"] = members[f"{S}/{name}.csv"] = GOOD
    for name, content in changed.items():
        if content is None:
            del members[f"{S}/{name[1:]}.csv"]
        else:
            members[f"{H}/{name[1:]}.csv"] = content
    return members


@pytest.fixture
def two_a_class(archive, tmp_path):
    """The manifest that preparing two signatures a class returned, and the set as it is read."""
    members = {
        f"{S}/002g01.csv": csv((7.123456, 8, 0), (9, 10, 10), (11, 12, 20), (13, -14, 30)),
        f"{H}/002g01.csv": csv((0.5, 0.25, 3), (0.75, 1, 3), (2, 2, 1), stroke=2),
        f"{H}/001g07.csv": GOOD,
        f"{S}/001g07.csv": GOOD,
        f"{H}/.DS_Store": b"junk that is no csv",
        "README.md": b"text",
        "datasets/other/001g01.csv": GOOD,
    }
    manifest = prepare(mcyt.SPEC, archive(members), tmp_path / "out" / "mcyt.npz")
    return manifest, load(tmp_path / "out" / "mcyt.npz", verify=True)


def test_points_are_the_numbers_of_the_files(two_a_class):
    _, loaded = two_a_class
    assert loaded.offsets.tolist() == [0, 3, 6, 9, 13]
    assert loaded.x.tolist() == [1, 3, 5, 0.5, 0.75, 2, 1, 3, 5, 7.123456, 9, 11, 13]
    assert loaded.y[3:6].tolist() == [0.25, 1, 2]
    assert loaded.t[3:6].tolist() == [3, 3, 1]
    assert loaded.stroke.tolist() == [1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1]
    assert [a.dtype.str for a in (loaded.x, loaded.t, loaded.stroke, loaded.offsets)] == ["<f8", "<f8", "<i2", "<i8"]


def test_samples_are_named_and_labelled_by_their_files(two_a_class):
    _, loaded = two_a_class
    assert loaded.names == ["001g07", "002g01", "001g07", "002g01"]
    assert loaded.label.tolist() == [1, 1, 0, 0]
    assert (loaded.subject.tolist(), loaded.parent.tolist()) == ([0, 1, 0, 1], [0, 1, 0, 1])
    assert loaded.gesture.tolist() == [0, 0, 0, 0]
    assert [a.dtype.str for a in (loaded.label, loaded.subject, loaded.parent)] == ["|u1", "<i4", "<i4"]


def test_the_manifest_counts_samples_points_and_time_steps(two_a_class, tmp_path):
    manifest, loaded = two_a_class
    assert loaded.manifest == manifest == json.loads((tmp_path / "out" / "mcyt.json").read_text())
    assert manifest["counts"] == {"human": 2, "synthetic": 2, "subjects": 2, "gestures": 1, "points": 13}
    assert manifest["length"] == {"human": {"mean": 3.0, "max": 3}, "synthetic": {"mean": 3.5, "max": 4}}
    assert manifest["time_steps"] == {
        "human": {"all": 4, "equal": 1, "backward": 1, "files_with_backward": 1},
        "synthetic": {"all": 5, "equal": 0, "backward": 0, "files_with_backward": 0},
    }
    assert manifest["archive"]["provenance"] == "made for a test"
    assert "fetched" not in manifest["archive"]


def test_dollar_names(archive, tmp_path):
    names = {
        dollar.SPEC.human_dir: ["s06-x-slow-t04", "s02-left_sq_bracket-fast-t10", "s06-x-slow-t05"],
        dollar.SPEC.synthetic_dir: ["s06-x-slow-t04_synth_03", "s06-x-slow-t04_rec"],
    }
    prepare(
        dollar.SPEC, archive({f"{d}/{n}.csv": THREE for d, ns in names.items() for n in ns}), tmp_path / "dollar.npz"
    )
    loaded = load(tmp_path / "dollar.npz")
    assert loaded.names == [
        "s02-left_sq_bracket-fast-t10",
        "s06-x-slow-t04",
        "s06-x-slow-t05",
        "s06-x-slow-t04_rec",
        "s06-x-slow-t04_synth_03",
    ]
    assert loaded.manifest["gestures"] == ["left_sq_bracket", "x"]
    assert loaded.gesture.tolist() == [0, 1, 1, 1, 1]
    assert loaded.subject.tolist() == [0, 1, 1, 1, 1]
    assert loaded.parent.tolist() == [0, 1, 2, 1, 1]
    assert not any("twin" in warning for warning in loaded.manifest["warnings"])


def test_mobiletouch_names_with_accents_in_either_spelling(archive, tmp_path):
    spec, user = mobiletouch.SPEC, "user839979-Sesion1-u839979_s1_"
    members = {
        f"{spec.human_dir}/{user}mayÑ.csv": GOOD,
        f"{spec.synthetic_dir}/{unicodedata.normalize('NFD', user + 'mayÑ')}.csv": GOOD,
        f"{spec.human_dir}/{user}num4.csv": GOOD,
        f"{spec.synthetic_dir}/{user}num4.csv": GOOD,
    }
    manifest = prepare(spec, archive(members), tmp_path / "mobiletouch.npz")
    loaded = load(tmp_path / "mobiletouch.npz")
    assert manifest["gestures"] == ["mayÑ", "num4"]
    assert loaded.names[0] == loaded.names[2] == user + "mayÑ"
    assert loaded.parent.tolist() == [0, 1, 0, 1]
    assert loaded.subject.tolist() == [0, 0, 0, 0]


def test_raton_second_visit_is_the_same_person(archive, tmp_path):
    spec = raton.SPEC
    names = ["p12-116_201184152255_logfile", "p18--2-102_2012529154221_logfile", "p18-15_2011726174728_logfile"]
    members = {f"{folder}/{name}.csv": GOOD for folder in (spec.human_dir, spec.synthetic_dir) for name in names}
    prepare(spec, archive(members), tmp_path / "raton.npz")
    loaded = load(tmp_path / "raton.npz")
    assert loaded.subject.tolist() == [0, 1, 1, 0, 1, 1]
    assert loaded.parent.tolist() == [0, 1, 2, 0, 1, 2]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (GOOD[:-20], "line 4: 4 columns, expected 5"),
        (b"", "empty file"),
        (GOOD.replace(b"3.000000", b"nan"), "row 2: x is nan"),
        (csv((1, 2, 0), (3, 4, 10)), "2 points, fewer than 3"),
    ],
)
def test_a_bad_sample_is_left_out_and_named(archive, tmp_path, content, reason):
    manifest = prepare(mcyt.SPEC, archive(mcyt_members(_001g03=content)), tmp_path / "mcyt.npz")
    assert manifest["bad"] == [{"file": f"{H}/001g03.csv", "class": "human", "reason": reason}]
    assert (manifest["counts"]["human"], manifest["counts"]["synthetic"]) == (149, 150)
    names = load(tmp_path / "mcyt.npz").names
    assert names.count("001g03") == 1
    assert any(w.startswith(f"{S}/001g03.csv: 1 synthetic sample without the human") for w in manifest["warnings"])


def test_a_name_of_no_sample_is_a_bad_sample(archive, tmp_path):
    members = mcyt_members() | {f"{H}/notes.csv": GOOD}
    manifest = prepare(mcyt.SPEC, archive(members), tmp_path / "mcyt.npz")
    assert manifest["bad"] == [
        {"file": f"{H}/notes.csv", "class": "human", "reason": "the file name is not one of this data set"}
    ]


def test_above_one_percent_nothing_is_written(archive, tmp_path):
    bad = {f"_001g{number:02d}": b"" for number in range(1, 5)}  # 4 of 300
    with pytest.raises(FfreproError, match="4 of 300") as error:
        prepare(mcyt.SPEC, archive(mcyt_members(**bad)), tmp_path / "out" / "mcyt.npz")
    assert f"{H}/001g01.csv: empty file" in error.value.what
    assert not (tmp_path / "out").exists()
    del bad["_001g04"]  # 3 of 300 is 1 %
    manifest = prepare(mcyt.SPEC, archive(mcyt_members(**bad)), tmp_path / "out" / "mcyt.npz")
    assert len(manifest["bad"]) == 3


def test_a_missing_twin_is_counted_and_its_human_sample_kept(archive, tmp_path):
    manifest = prepare(mcyt.SPEC, archive(mcyt_members(_001g01=None)), tmp_path / "mcyt.npz")
    assert manifest["warnings"] == [
        f"{S}/001g01.csv missing: 1 human sample without its synthetic twin",
        "150 human samples, 2,500 upstream",
        "149 synthetic samples, 2,500 upstream",
    ]
    assert manifest["bad"] == []
    assert load(tmp_path / "mcyt.npz").names[0] == "001g01"


def test_a_missing_folder(archive, tmp_path):
    with pytest.raises(FfreproError, match=f"no synthetic samples of mcyt: .* in {S}/"):
        prepare(mcyt.SPEC, archive({f"{H}/001g01.csv": GOOD}), tmp_path / "mcyt.npz")


def test_a_truncated_archive_is_named_and_nothing_written(archive, tmp_path):
    path = archive(mcyt_members())
    record_path = path.with_name(path.name + ".json")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(FfreproError, match="not the one its record describes"):
        prepare(mcyt.SPEC, path, tmp_path / "mcyt.npz")
    from ffrepro.base import files  # a record made from the truncated file does not help either

    files.write_json(record_path, files.read_json(record_path) | {"sha256": files.sha256_file(path)})
    with pytest.raises(FfreproError, match="truncated or corrupt") as error:
        prepare(mcyt.SPEC, path, tmp_path / "mcyt.npz")
    assert error.value.where == path
    assert not (tmp_path / "mcyt.npz").exists()


def test_an_archive_without_record_is_refused(archive, tmp_path):
    path = archive(mcyt_members())
    path.with_name(path.name + ".json").unlink()
    with pytest.raises(FfreproError, match="provenance record") as error:
        prepare(mcyt.SPEC, path, tmp_path / "mcyt.npz")
    assert error.value.fix == "fetch it: ffrepro fetch trajectories"


def test_fingerprint_follows_the_data_and_nothing_else(archive, tmp_path):
    out = tmp_path / "mcyt.npz"
    first = prepare(mcyt.SPEC, archive(mcyt_members()), out)["fingerprint"]
    written = out.read_bytes()
    os.utime(out, (1e9, 1e9))
    assert load(out, verify=True).manifest["fingerprint"] == first
    # the same data in another order, in an archive of another kind of provenance
    again = prepare(mcyt.SPEC, archive(dict(reversed(mcyt_members().items())), "standin"), out)
    assert (again["fingerprint"], again["source"]) == (first, "standin")
    assert out.read_bytes() == written
    moved = csv((1, 2, 0), (3, 4, 10), (5, 6.000001, 20))
    assert prepare(mcyt.SPEC, archive(mcyt_members(_001g01=moved)), out)["fingerprint"] != first
    renamed = mcyt_members(count=149) | {f"{f}/099g01.csv": GOOD for f in (H, S)}
    assert prepare(mcyt.SPEC, archive(renamed), out)["fingerprint"] != first


def test_changed_arrays_are_noticed_on_demand(archive, tmp_path):
    prepare(mcyt.SPEC, archive(mcyt_members()), tmp_path / "mcyt.npz")
    loaded = load(tmp_path / "mcyt.npz")
    loaded.verify()
    changed = replace(loaded, x=np.nextafter(loaded.x, 9))
    with pytest.raises(FfreproError, match="the prepared data changed") as error:
        changed.verify()
    assert error.value.fix == "run again: ffrepro prepare mcyt --source upstream"


def test_load_says_what_is_wrong(archive, tmp_path):
    out = tmp_path / "mcyt.npz"
    with pytest.raises(FfreproError, match=r"no prepared data set 'mcyt'[\s\S]*ffrepro prepare mcyt"):
        load(out)
    with pytest.raises(FfreproError, match=r"ffrepro prepare mcyt --source standin"):
        load(tmp_path / "standin" / "mcyt.npz")
    manifest = prepare(mcyt.SPEC, archive(mcyt_members()), out)
    written = out.read_bytes()
    out.write_bytes(written[:1000])
    with pytest.raises(FfreproError, match="damaged"):
        load(out)
    out.write_bytes(written)
    for change, message in [
        ({"fingerprint": "0" * 64}, "come from two different runs"),
        ({"format": 0}, "prepared in format 0, this version reads 1"),
    ]:
        out.with_suffix(".json").write_text(json.dumps(manifest | change))
        with pytest.raises(FfreproError, match=message):
            load(out)


def test_data_sets_are_found_by_file_name():
    assert {"dollar", "mcyt", "mobiletouch", "raton"} <= set(data.names())
    assert not {"archives", "fetch", "trajectories", "standin"} & set(data.names())
    for name in data.names():
        assert data.module(name).SPEC.name == name
    assert [data.module(n).SPEC.title for n in ("dollar", "mcyt", "mobiletouch", "raton")] == [
        "$1",
        "MCYT",
        "MobileTouch",
        "Mouse-Ops.",
    ]
    assert data.family("mcyt").prepare is prepare
    with pytest.raises(FfreproError, match=r"unknown data set 'mcty'[\s\S]*Did you mean 'mcyt'\?"):
        data.module("mcty")


def test_every_data_set_has_its_archives_in_params_yaml_too():
    from pathlib import Path

    import yaml

    from ffrepro.data import archives

    declared = yaml.safe_load((Path(__file__).parents[2] / "params.yaml").read_text())["datasets"]
    assert set(declared) == set(data.names())
    for name, entry in declared.items():
        listed = [entry["archive"]] if isinstance(entry["archive"], str) else entry["archive"]
        assert [archive.name for archive in archives.find_all(name)] == listed
        assert data.module(name).SPEC.family == entry["family"]
