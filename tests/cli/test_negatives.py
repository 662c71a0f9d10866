"""``ffrepro negatives`` and ``ffrepro kinematics`` from outside: what they write, print and refuse."""

import json
import struct
import threading
import time
from functools import partial

import numpy as np
import pytest
from helpers import movements

from ffrepro.base.lock import locked
from ffrepro.cli.main import main
from ffrepro.data import trajectory_set
from ffrepro.data.negatives import plans
from ffrepro.kinematics import extraction


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working folder with a prepared set of four movements, the third of which has no plan."""
    recordings = [movements.recording(number) for number in range(4)]
    x, y, t = recordings[2]
    recordings[2] = np.full_like(x, 3.0), np.full_like(y, 4.0), t
    data = movements.make_set(recordings, [0, 0, 1, 1])
    trajectory_set.save(data, tmp_path / "data/prepared/standin/dollar.npz")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_plan_then_make(place, capsys):
    assert main(["kinematics", "plan", "dollar", "--source", "standin"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0] == "data/plans/standin/dollar.npz"
    assert "3 plans" in out and "no plan: s02: does not move" in out
    data = trajectory_set.load("data/prepared/standin/dollar.npz")
    found = plans.load("data/plans/standin/dollar.npz", data)
    assert found.manifest["bad"] == [{"index": 2, "sample": "s02", "reason": "does not move"}]

    assert main(["negatives", "dollar", "--level", "far", "--source", "standin", "--copies", "2"]) == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines()[0] == "data/prepared/standin/dollar_far.npz"
    assert "4 human samples, 6 duplicates (far)" in captured.out
    made = trajectory_set.load("data/prepared/standin/dollar_far.npz", verify=True)
    assert len(made) == 10
    manifest = json.loads((place / "data/prepared/standin/dollar_far.json").read_text())
    assert manifest["negatives"]["level"] == "far"
    assert manifest["negatives"]["without"][0]["sample"] == "s02"


def refused(arguments, capsys):
    assert main(arguments) == 1
    return capsys.readouterr().err


def test_plans_that_are_missing_are_made_first(place, capsys):
    assert main(["negatives", "dollar", "--level", "close", "--source", "standin"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "data/plans/standin/dollar.npz"
    assert "data/prepared/standin/dollar_close.npz" in lines
    before = (place / "data/plans/standin/dollar.npz").stat().st_mtime_ns
    assert main(["negatives", "dollar", "--level", "far", "--source", "standin"]) == 0
    assert (place / "data/plans/standin/dollar.npz").stat().st_mtime_ns == before


def test_wrong_names_get_their_nearest(place, capsys):
    assert "Did you mean 'dollar'" in refused(["kinematics", "plan", "dolar", "--source", "standin"], capsys)
    said = refused(["kinematics", "show", "dollar/s3", "--source", "standin"], capsys)
    assert "unknown human sample 's3'" in said and "s03" in said
    assert "ffrepro prepare mcyt" in refused(["negatives", "mcyt", "--level", "far", "--source", "standin"], capsys)
    assert main(["negatives", "dollar", "--level", "closer"]) == 2
    assert "--copies" in refused(["negatives", "dollar", "--level", "far", "--copies", "0"], capsys)


def test_a_set_of_images_has_no_movements(place, capsys):
    (place / "data/prepared/upstream").mkdir()
    (place / "data/prepared/upstream/mnist.npz").touch()  # its content is not looked at
    for arguments in (
        ["negatives", "mnist", "--level", "far"], ["kinematics", "plan", "mnist"], ["kinematics", "show", "mnist/3"],
    ):  # fmt: skip
        said = refused(arguments, capsys)
        assert "'mnist' is a set of images" in said
        assert "take a set of trajectories: dollar, mcyt, mobiletouch, raton\n" in said


@pytest.mark.parametrize("copies", ["-3", "1.5", "many"])
def test_copies_are_counted(place, capsys, copies):
    assert main(["kinematics", "show", "dollar/s01", "--source", "standin", "--copies", copies]) == 2
    assert f"argument --copies: '{copies}' is no whole number from 0 on" in capsys.readouterr().err
    assert not list(place.glob("*.png"))


def size(path):
    head = path.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", head[16:])


def test_show_a_sample_of_a_set(place, capsys):
    assert main(["kinematics", "show", "dollar/s01", "--source", "standin", "--flip-y"]) == 0
    lines = capsys.readouterr().out.splitlines()
    strokes = int(lines[0].split()[0])
    assert "SNRv" in lines[0] and "15 Hz" in lines[0] and "below the target" not in lines[1]
    assert lines[1].split()[0] == "stroke"
    assert [line.split()[0] for line in lines[2:-1]] == [str(n + 1) for n in range(strokes)]
    assert lines[-1] == "s01.png"
    width, height = size(place / "s01.png")
    assert width > height > 300


def write_csv(path, header, separator, scale=1.0):
    x, y, t = movements.recording(0)
    rows = [separator.join(map(str, row)) for row in zip(x, y, t * scale, strict=True)]
    path.write_text("\n".join(([header] if header else []) + rows) + "\n")


@pytest.mark.parametrize(
    ("header", "separator", "scale", "options"),
    [
        ("x,y,t", ",", 1.0, []),
        ("X;Y;Time", ";", 1.0, []),
        (None, "\t", 1.0, []),
        ("x,y,t", ",", 0.001, ["--seconds"]),
        ("x,y,t", ",", 0.001, []),
    ],
)
def test_show_a_csv_of_ones_own(place, capsys, header, separator, scale, options):
    write_csv(place / "mine.csv", header, separator, scale)
    assert (
        main(["kinematics", "show", "mine.csv", "--out", "here.png", "--level", "far", "--copies", "2", *options]) == 0
    )
    read, strokes, *_ = capsys.readouterr().out.splitlines()
    _, _, t = movements.recording(0)
    assert read.startswith(f"columns 1-3 as x, y, t: {len(t)} points, {t[-1] / 1000:.2f} s, about ")
    assert read.endswith("t in s" if scale < 1 else "t in ms")
    assert strokes.startswith(("5 strokes", "6 strokes", "7 strokes", "8 strokes"))
    assert size(place / "here.png")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "no points"),
        ("x,y,t\n", "no points"),
        ("x,y,t\n1,2,3\n", "one point"),
        ("x,y,t\n" + "".join(f"1,2,{10 * n}\n" for n in range(20)), "does not move"),
        ("x,y,t\n" + "".join(f"{n},2,{-10 * n}\n" for n in range(20)), "the clock runs backwards by 190 ms"),
        ("x,y,t\n" + "".join(f"{n},nan,{10 * n}\n" for n in range(20)), "point 1: y is nan"),
        ("x,y,t\n" + "".join(f"{n},2,{n / 5}\n" for n in range(20)), "--unit s, ms, us or ns"),
        ("x,y\n1,2\n", "no column t"),
        ("x,y,t\n1,2,3\n4,5\n", "line 3"),
        ("x,y,t\n1,2,three\n", "line 2"),
    ],
)
def test_a_csv_that_is_no_movement_says_why(place, capsys, content, said):
    (place / "bad.csv").write_text(content)
    assert said in refused(["kinematics", "show", "bad.csv"], capsys)
    assert not list(place.glob("*.png"))


def test_a_plan_that_explains_too_little_says_so(place, capsys, monkeypatch):
    monkeypatch.setattr(extraction, "Settings", partial(extraction.Settings, target_db=70.0, rounds=1))
    assert main(["kinematics", "show", "dollar/s01", "--source", "standin", "--copies", "0"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "below the target of 70 dB: the strokes do not explain this movement"
    assert lines[2].split()[0] == "stroke"


def test_a_duplicate_of_too_few_points_is_named(place, capsys):
    (place / "slow.csv").write_text("x,y,t\n0,0,0\n50,20,400\n")
    assert main(["kinematics", "show", "slow.csv", "--copies", "3"]) == 0
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("duplicate ")]
    end = "has 2 points, fewer than 3: `ffrepro negatives` would leave it out"
    assert said == [f"duplicate {number} {end}" for number in (1, 2, 3)]


def test_a_file_of_several_movements_has_a_picture_each(place, capsys):
    x, y, t = movements.recording(0)
    pen = np.where(np.arange(len(t)) % 35 == 34, 0, 1)
    rows = [",".join(map(str, row)) for row in zip(x, y, t, pen, strict=True)]
    (place / "two.csv").write_text("\n".join(["x,y,t,pen", *rows]))
    command = ["kinematics", "show", "two.csv", "--copies", "0"]
    assert main(command) == 0
    assert "2 rows with the pen up left out; 2 movements" in capsys.readouterr().out.splitlines()[0]
    assert size(place / "two-1.png") and size(place / "two-2.png")
    assert main([*command, "--movement", "2", "--out", "second.png"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "second.png"
    assert (place / "second.png").read_bytes() == (place / "two-2.png").read_bytes()
    said = refused([*command, "--movement", "3"], capsys)
    assert "no movement 3" in said and "--movement takes 1 to 2" in said


def test_a_movement_of_several_without_a_plan_is_named(place, capsys):
    x, y, t = movements.recording(0)
    pen = np.where(np.arange(len(t)) == 1, 0, 1)
    rows = [",".join(map(str, row)) for row in zip(x, y, t, pen, strict=True)]
    (place / "dot.csv").write_text("\n".join(["x,y,t,pen", *rows]))
    assert main(["kinematics", "show", "dot.csv", "--copies", "0"]) == 0
    assert "movement 1: no plan: one point" in capsys.readouterr().err
    assert not (place / "dot-1.png").exists() and size(place / "dot-2.png")


def test_a_folder_of_files_shows_those_that_it_can(place, capsys):
    folder = place / "mine"
    folder.mkdir()
    write_csv(folder / "a.csv", "x,y,t", ",")
    write_csv(folder / "b.csv", "x,x,t", ",")
    assert main(["kinematics", "show", "mine", "--copies", "0", "--out", "all.png"]) == 1
    captured = capsys.readouterr()
    assert captured.out.splitlines()[0] == "mine/a.csv:" and "mine/b.csv:" in captured.out.splitlines()
    assert "could be x" in captured.err and "1 of 2 files were not shown" in captured.err
    assert [path.name for path in place.glob("*.png")] == ["all-a.png"]


@pytest.mark.parametrize(("header", "option"), [("x,y,t_ms", "--seconds"), ("x,y,t_s", "--unit=ms")])
def test_an_option_against_the_name_of_the_times_is_refused(place, capsys, header, option):
    write_csv(place / "mine.csv", header, ",")
    said = refused(["kinematics", "show", "mine.csv", option], capsys)
    assert "named in" in said and "  where: mine.csv" in said and "  fix:   leave the option out" in said


def test_a_csv_that_is_not_there(place, capsys):
    assert "no such file" in refused(["kinematics", "show", "nowhere.csv"], capsys)
    (place / "binary.csv").write_bytes(b"\xff\x00\x81")
    assert "not a text file" in refused(["kinematics", "show", "binary.csv"], capsys)
    (place / "folder.csv").mkdir()
    said = refused(["kinematics", "show", "folder.csv"], capsys)
    assert "no file of movements in the folder" in said and "  where: folder.csv" in said


@pytest.mark.parametrize(
    ("command", "target"),
    [
        (["kinematics", "plan", "dollar"], "data/plans/standin/.dollar.npz.lock"),
        (["negatives", "dollar", "--level", "close"], "data/plans/standin/.dollar.npz.lock"),
        (["negatives", "dollar", "--level", "close"], "data/prepared/standin/.dollar_close.npz.lock"),
    ],
)
def test_two_of_a_command_take_turns(place, capsys, command, target):
    """The lock is held by this test until the command says that it waits for it."""
    done = []
    worker = threading.Thread(target=lambda: done.append(main([*command, "--source", "standin"])))
    with locked(place / target):
        worker.start()
        said = ""
        for _ in range(1000):
            said += capsys.readouterr().err
            if "waiting" in said:
                break
            time.sleep(0.02)
        assert target.replace("/.", "/").removesuffix(".lock") in said and done == []
    worker.join(30)
    assert done == [0]
