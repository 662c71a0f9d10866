"""What users bring: columns, units and pens are read as they are meant, or refused."""

import gzip

import numpy as np
import pytest
from helpers import movements

from ffrepro.base.errors import FfreproError
from ffrepro.data import user_clock, user_points, user_recording

COUNT = 40
ANGLE = np.linspace(0, 2 * np.pi, COUNT)
T = 10.0 * np.arange(COUNT) + 5
CURVE = (np.round(300 + 100 * np.cos(ANGLE), 3), np.round(400 + 80 * np.sin(ANGLE), 3), T)  # a slow ellipse at 100 Hz
SMOOTH = 1 - np.cos(np.linspace(0, np.pi, COUNT))
LINE = (np.round(50 * SMOOTH**2, 3), np.round(200 + 30 * SMOOTH, 3), T)  # x and y both grow, like a clock


def write(tmp_path, columns, header="", name="mine.csv"):
    rows = [",".join(map(str, row)) for row in zip(*columns, strict=True)]
    path = tmp_path / name
    path.write_text("\n".join([header] * bool(header) + rows) + "\n")
    return path


def same(found, wanted):
    assert len(found.movements) == len(wanted)
    for one, other in zip(found.movements, wanted, strict=True):
        np.testing.assert_allclose(np.array(one), np.array(other), rtol=0, atol=1e-6)


def refused(path, unit=None):
    with pytest.raises(FfreproError) as error:
        user_recording.read(path, unit)
    assert error.value.where and error.value.fix
    return error.value


@pytest.mark.parametrize("curve", [CURVE, LINE])
@pytest.mark.parametrize(("order", "said"), [((0, 1, 2), "x, y, t"), ((2, 0, 1), "t, x, y")])
def test_three_columns_without_a_header_are_told_apart(tmp_path, curve, order, said):
    found = user_recording.read(write(tmp_path, [curve[column] for column in order]))
    same(found, [curve])
    assert found.line == f"columns 1-3 as {said}: 40 points, 0.39 s, about 100 Hz; t in ms"
    assert found.notes == []


@pytest.mark.parametrize("number", range(12))
def test_recordings_without_a_header_are_read_as_meant_or_refused(tmp_path, number):
    x, y, t = movements.recording(number)
    same(user_recording.read(write(tmp_path, (x, y, t))), [(x, y, t)])
    try:  # its clock has steps of 8 to 19 ms: too uneven to be sure of in the first column
        same(user_recording.read(write(tmp_path, (t, x, y))), [(x, y, t)])
    except FfreproError as error:
        assert error.what.startswith("no header, and ")


@pytest.mark.parametrize(
    ("columns", "what"),
    [
        ((np.arange(COUNT), *CURVE), "4 columns without a header"),
        ((*CURVE, np.ones(COUNT), np.ones(COUNT)), "5 columns without a header"),
        ((np.arange(COUNT), CURVE[0], CURVE[1]), "column 1 counts 0, 1, 2"),
        ((CURVE[0], CURVE[1], np.arange(COUNT)), "column 3 counts 0, 1, 2"),
        ((T, CURVE[0], T), "column 1 could be x or t"),
        ((CURVE[0], T, CURVE[1]), "neither column 1 nor column 3"),
        ((LINE[0], CURVE[1], CURVE[0]), "column 1 could be x or t"),  # no times: x grows, unevenly
    ],
)
def test_three_columns_that_could_be_others_are_refused(tmp_path, columns, what):
    error = refused(write(tmp_path, columns))
    assert what in error.what and "first line" in error.fix


@pytest.mark.parametrize(
    ("header", "order", "said"),
    [
        ("x,x_raw,y,t", (0, 1, 1, 2), "columns 1, 3, 4 as x, y, t"),  # the exact name wins
        ("X,x,y,t", (1, 0, 1, 2), "columns 2-4 as x, y, t"),
        ("index,t,x,y", (1, 2, 0, 1), "columns 2-4 as t, x, y"),
        ("clientX,clientY,timestamp", (0, 1, 2), "columns 1-3 as x, y, t"),
        ("pos_y,pos_x,t_ms,tilt_x", (1, 0, 2, 1), "columns 1-3 as y, x, t"),
        ("t,time,x,y", (2, 1, 0, 1), "columns 1, 3, 4 as t, x, y"),
    ],
)
def test_the_named_columns(tmp_path, header, order, said):
    found = user_recording.read(write(tmp_path, [CURVE[column] for column in order], header))
    same(found, [CURVE])
    assert found.line.startswith(f"{said}: 40 points")


@pytest.mark.parametrize(
    ("header", "what"),
    [
        ("x,x,y,t", "'x' (column 1) and 'x' (column 2) could be x"),
        ("pos_x,page_x,y,t", "'pos_x' (column 1) and 'page_x' (column 2) could be x"),
        ("x1,x2,y,t", "'x1' (column 1) and 'x2' (column 2) could be x"),
        ("X,X,y,t", "could be x"),
        ("left_x,right_x,y,t", "could be x"),
        ("x,y_raw,y_smooth,t", "could be y"),
        ("x,y,t_s,t_ms", "'t_s' (column 3) and 't_ms' (column 4) could be t"),
        ("x,y,tilt_x,v", "no column t"),
    ],
)
def test_two_columns_that_could_be_one_are_refused(tmp_path, header, what):
    error = refused(write(tmp_path, [*CURVE, T], header))
    assert what in error.what and "line 1" in str(error.where)


def pen(*lifted):
    down = np.ones(COUNT, int)
    for part in lifted:
        down[part] = 0
    return down


AIR = slice(15, 20)
PARTS = [tuple(column[:15] for column in CURVE), tuple(column[20:] for column in CURVE)]


@pytest.mark.parametrize(
    ("header", "values"),
    [
        ("x,y,t,pen", pen(AIR)),
        ("x,y,t,is_writing", pen(AIR)),
        ("x,y,t,penUp", 1 - pen(AIR)),
        ("x,y,t,pressure", 512 * pen(AIR)),
        ("x,y,t,p", 0.25 * pen(AIR)),
        ("x,y,t,pen down", np.where(pen(AIR), "True", "False")),
    ],
)
@pytest.mark.parametrize("position", [0.0, -1.0, None])
def test_a_lifted_pen_parts_movements(tmp_path, header, values, position):
    x, y, t = (column.copy() for column in CURVE)
    if position is not None:
        x[AIR] = y[AIR] = position
    found = user_recording.read(write(tmp_path, (x, y, t, values), header))
    same(found, PARTS)
    assert found.line.endswith("5 rows with the pen up left out; 2 movements")


@pytest.mark.parametrize("header", ["", "x,y,t"])
@pytest.mark.parametrize("position", [0.0, -1.0])
def test_rows_of_no_position_part_movements_without_a_pen_column(tmp_path, header, position):
    x, y, t = (column.copy() for column in CURVE)
    x[AIR] = y[AIR] = position
    same(user_recording.read(write(tmp_path, (x, y, t), header)), PARTS)


def test_rows_of_either_value_are_no_positions(tmp_path):
    x, y, t = (column.copy() for column in CURVE)
    x[15:17] = y[15:17] = 0
    x[17:20] = y[17:20] = -1
    same(user_recording.read(write(tmp_path, (x, y, t), "x,y,t")), PARTS)


def test_a_pen_that_is_lifted_last_ends_the_movement(tmp_path):
    found = user_recording.read(write(tmp_path, (*CURVE, pen(slice(0, 2), slice(30, None))), "x,y,t,pen"))
    same(found, [tuple(column[2:30] for column in CURVE)])


def test_a_movement_through_the_origin_stays_whole(tmp_path):
    x, y = CURVE[0] - CURVE[0][7], CURVE[1] - CURVE[1][7]
    assert x[7] == y[7] == 0
    same(user_recording.read(write(tmp_path, (x, y, T), "x,y,t")), [(x, y, T)])


def test_a_pen_that_is_never_down_is_not_believed(tmp_path):
    found = user_recording.read(write(tmp_path, (*CURVE, np.zeros(COUNT, int)), "x,y,t,pressure"))
    same(found, [CURVE])
    assert found.notes == ["pressure says in every row that the pen is up: not used"]
    found = user_recording.read(write(tmp_path, (*CURVE, np.linspace(-1, 1, COUNT)), "x,y,t,pressure"))
    same(found, [CURVE])
    assert found.notes == ["pressure is negative in some rows: not used"]


@pytest.mark.parametrize(("header", "other"), [("pen", "pen_up"), ("pen_up", "pen"), ("pressure", "another name")])
def test_a_pen_that_is_up_in_most_rows_is_warned_of(tmp_path, header, other):
    down = pen(slice(0, 30)) if header != "pen_up" else 1 - pen(slice(0, 30))
    found = user_recording.read(write(tmp_path, (*CURVE, down), f"x,y,t,{header}"))
    same(found, [tuple(column[30:] for column in CURVE)])
    (note,) = found.notes
    assert "30 of 40 rows" in note and note.endswith(other)
    if header != "pressure":
        turned = user_recording.read(write(tmp_path, (*CURVE, down), f"x,y,t,{other}"))
        same(turned, [tuple(column[:30] for column in CURVE)])
        assert turned.notes == []


def test_columns_that_are_passed_over_are_named(tmp_path):
    found = user_recording.read(write(tmp_path, (*CURVE, CURVE[0], CURVE[1]), "x,y,t,tilt,azimuth"))
    same(found, [CURVE])
    assert found.line.endswith("; passed over: tilt, azimuth") and found.notes == []
    many = write(tmp_path, (*CURVE, *[T] * 10), ",".join(["x", "y", "t", *(f"f{n}" for n in range(10))]))
    assert user_recording.read(many).line.endswith("f6, f7 and 2 more")


@pytest.mark.parametrize("word", ["up", "penUp", "touchend"])
def test_words_of_a_lifted_pen_in_another_column_are_warned_of(tmp_path, word):
    event = np.where(pen(AIR), "move", word)
    found = user_recording.read(write(tmp_path, (*CURVE, event, T), "x,y,t,event,count"))
    same(found, [CURVE])
    (note,) = found.notes
    assert "'event'" in note and " 5 rows" in note
    assert found.line.endswith("; passed over: event, count")


def test_a_stroke_number_parts_movements(tmp_path):
    stroke = np.where(np.arange(COUNT) < 20, 3, 4)
    found = user_recording.read(write(tmp_path, (stroke, *CURVE), "stroke_id,x,y,time"))
    same(found, [tuple(column[:20] for column in CURVE), tuple(column[20:] for column in CURVE)])


@pytest.mark.parametrize(("value", "what"), [("lifted", "pen 'lifted' is no number"), ("up", None)])
def test_words_of_a_pen(tmp_path, value, what):
    path = write(tmp_path, (*CURVE, np.where(pen(slice(30, None)), "down", value)), "x,y,t,pen")
    if what:
        error = refused(path)
        assert what in error.what and str(error.where).endswith("line 32")
    else:
        same(user_recording.read(path), [tuple(column[:30] for column in CURVE)])


@pytest.mark.parametrize("unit", user_clock.UNITS)
@pytest.mark.parametrize("step_ms", [1.01, 4.0, 16.6])
def test_units_are_told_apart(tmp_path, unit, step_ms):
    t = np.arange(COUNT) * step_ms
    path = write(tmp_path, (*CURVE[:2], t / user_clock.UNITS[unit]), "x,y,t")
    found = user_recording.read(path)
    same(found, [(*CURVE[:2], t)])
    assert found.line.endswith(f"t in {unit}")
    same(user_recording.read(path, unit), [(*CURVE[:2], t)])


@pytest.mark.parametrize(
    ("header", "scale", "unit", "what"),
    [
        ("x,y,t_ms", 1, "s", "named in ms, the option says s"),
        ("x,y,t_ms", 1e-3, None, "named in ms, but 0.01 ms from point to point is 100,000 Hz"),
        ("x,y,time (s)", 1, None, "named in s, but 10 s"),
        ("x,y,t", 0.02, None, "in which unit is t? Its steps are 0.2"),
    ],
)
def test_units_that_contradict_or_tell_nothing_are_refused(tmp_path, header, scale, unit, what):
    assert what in refused(write(tmp_path, (*CURVE[:2], T * scale), header), unit).what


@pytest.mark.parametrize(
    ("step", "unit", "other", "hertz"),
    [
        (500, "us", "ms", ("2,000 Hz", "2 Hz")),
        (250, "ms", "us", ("4 Hz", "4,000 Hz")),
        (0.6, "ms", "s", ("1,666.67 Hz", "1.66667 Hz")),
        (600_000, "ns", "us", ("1,666.67 Hz", "1.66667 Hz")),
    ],
)
def test_a_unit_that_could_be_another_is_warned_of(tmp_path, step, unit, other, hertz):
    path = write(tmp_path, (*CURVE[:2], np.arange(COUNT) * step), "x,y,t")
    found = user_recording.read(path)
    assert f"t in {unit}" in found.line
    (note,) = [note for note in found.notes if "--unit" in note]
    lasting = [
        f"{39 * step * user_clock.UNITS[one] / 1e3:.4g} s at {f}" for one, f in zip((unit, other), hertz, strict=True)
    ]
    assert all(part in note for part in (*lasting, f"--unit {unit}", f"--unit {other}"))
    assert not any("--unit" in note for note in user_recording.read(path, unit).notes)
    named = write(tmp_path, (*CURVE[:2], np.arange(COUNT) * step), f"x,y,t_{unit}")
    assert not any("--unit" in note for note in user_recording.read(named).notes)


@pytest.mark.parametrize("step", [0.01, 1, 4, 10, 20, 100, 1000, 10_000, 1e6, 1e7])
def test_steps_of_common_devices_are_not_warned_of(step):
    unit = user_clock.guess(step)
    assert unit and user_clock.others(step, unit) == []


def test_an_option_against_the_steps_is_warned_of(tmp_path):
    found = user_recording.read(write(tmp_path, CURVE, "x,y,t"), "s")
    assert found.notes == ["10 s from point to point is 0.1 Hz: are the times in ms?"]


@pytest.mark.parametrize("zone", ["", "Z", "+02:00"])
@pytest.mark.parametrize("header", ["", "t,x,y"])
def test_stamps(tmp_path, zone, header):
    stamps = [f"2024-03-01T12:00:00.{int(ms):03d}{zone}" for ms in T]
    found = user_recording.read(write(tmp_path, (stamps, *CURVE[:2]), header))
    x, y, t = found.movements[0]
    same(found._replace(movements=[(x, y, t - t[0])]), [(*CURVE[:2], T - 5)])
    assert found.line == "columns 1-3 as t, x, y: 40 points, 0.39 s, about 100 Hz; t in ISO stamps"
    assert refused(tmp_path / "mine.csv", "s").what == "the times are stamps, the option says s"


def test_a_stamp_is_the_moment_it_names():
    assert user_clock.stamp("1970-01-02T00:00:00.250Z") == 86_400_250
    assert user_clock.stamp("1970-01-01T02:00:01+02:00") == 1000
    assert user_clock.stamp("20240301") is user_clock.stamp("12.5") is None


def test_jumps_and_impossible_speeds_are_warned_of(tmp_path):
    x = CURVE[0].copy()
    x[20:] += 400
    step = np.hypot(x[20] - x[19], CURVE[1][20] - CURVE[1][19])
    (note,) = user_recording.read(write(tmp_path, (x, *CURVE[1:]), "x,y,t")).notes
    assert note.startswith(f"1 jump: at 0.200 s a step of {step:.4g}, ")
    around = 100 * np.cos(3 * ANGLE), 80 * np.sin(3 * ANGLE), T / 8
    fast = user_recording.read(write(tmp_path, around, "x,y,t_ms")).notes
    assert len(fast) == 1 and "times its own extent a second" in fast[0]


@pytest.mark.parametrize("number", range(12))
def test_a_persons_movement_is_not_odd(number):
    assert user_points.odd(movements.recording(number)) == []


@pytest.mark.parametrize("width", [4, 7])
def test_the_text_of_svc2004(tmp_path, width):
    columns = (*CURVE, pen(AIR), *np.full((2, COUNT), 640), 300 * pen(AIR))[:width]
    rows = [" ".join(map(str, row)) for row in zip(*columns, strict=True)]
    path = tmp_path / "signature.svc"
    path.write_text("\n".join([str(COUNT), *rows]))
    same(user_recording.read(path), PARTS)
    path.write_text("\n".join([str(COUNT + 1), *rows]))
    assert user_recording.read(path).notes == ["the first line says 41 points, there are 40"]
    path.write_text("\n".join([str(COUNT), *(row + " 1 1" for row in rows)]))
    assert "SVC2004" in refused(path).fix


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("packed", [False, True])
def test_texts_and_packed_texts(tmp_path, encoding, packed):
    path = write(tmp_path, CURVE, "x,y,t")
    content = path.read_text().encode(encoding)
    path.write_bytes(gzip.compress(content) if packed else content)
    same(user_recording.read(path), [CURVE])


def test_a_damaged_pack_and_one_of_too_much_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "mine.csv.gz"
    whole = gzip.compress(write(tmp_path, CURVE, "x,y,t").read_bytes())
    path.write_bytes(whole[:-20])
    assert refused(path).what.startswith("a damaged .gz")
    path.write_bytes(whole)
    monkeypatch.setattr(user_recording.user_text, "LARGEST", 100)
    assert refused(path).what == "more than 100 bytes"


def test_files_of_a_folder(tmp_path):
    for name in ("b.csv.gz", "a.SVC", "c.inkml", "notes.md", ".hidden.csv"):
        (tmp_path / name).write_text("")
    (tmp_path / "d.csv").mkdir()
    assert [path.name for path in user_recording.files(tmp_path)] == ["a.SVC", "b.csv.gz", "c.inkml"]
    assert user_recording.label(tmp_path / "b.csv.gz") == "b"
    with pytest.raises(FfreproError, match="no file of movements"):
        user_recording.files(tmp_path / "d.csv")
