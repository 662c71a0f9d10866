"""InkML of the user's own: traces are movements, whatever way their numbers are written."""

import numpy as np
import pytest

from ffrepro.base.errors import FfreproError
from ffrepro.data import user_inkml, user_recording

FORM = '<traceFormat><channel name="X"/><channel name="Y"/><channel name="T"{}/></traceFormat>'
ONE = "10 20 0, 11 22 10, 13 25 20, 16 29 30"
TWO = "40 20 100, 41 22 110, 43 25 120"
POINTS = [[(10, 20, 0), (11, 22, 10), (13, 25, 20), (16, 29, 30)], [(40, 20, 100), (41, 22, 110), (43, 25, 120)]]


def ink(*parts, root='ink xmlns="http://www.w3.org/2003/InkML"'):
    return f'<?xml version="1.0" encoding="UTF-8"?><{root}>{"".join(parts)}</{root.split()[0]}>'


def trace(points, attributes=""):
    return f"<trace {attributes}>{points}</trace>"


def read(tmp_path, text, unit=None):
    path = tmp_path / "mine.inkml"
    path.write_text(text)
    return user_recording.read(path, unit)


def points(reading):
    return [[tuple(point) for point in np.transpose(one).tolist()] for one in reading.movements]


def test_every_trace_is_a_movement(tmp_path):
    text = ink(
        FORM.format(""), trace(ONE), "<traceGroup>", trace("0 0 50", 'type="penUp"'), trace(TWO), "</traceGroup>"
    )
    found = read(tmp_path, text)
    assert points(found) == POINTS
    assert found.line == (
        "InkML channels X, Y, T: 7 points, 0.05 s, about 100 Hz; t in ms; 1 row with the pen up left out; 2 movements"
    )


def test_differences_are_added_up(tmp_path):
    text = ink(FORM.format(""), trace("10 20 0, '1 '2 '10, \"1 \"1 10, 1 1 10"))
    assert points(read(tmp_path, text)) == [POINTS[0]]
    glued = ink(FORM.format(""), trace("10 20 0,'1'2'10,2 3 10,3 4 10"))
    assert points(read(tmp_path, glued)) == [POINTS[0]]


@pytest.mark.parametrize(("units", "scale", "unit"), [(' units="s"', 1e-3, None), ("", 1e-3, None), ("", 1e3, "us")])
def test_units_of_the_channel(tmp_path, units, scale, unit):
    rows = ", ".join(f"{x} {y} {t * scale}" for x, y, t in POINTS[0])
    found = read(tmp_path, ink(FORM.format(units), trace(rows)), unit)
    np.testing.assert_allclose(np.transpose(found.movements[0]), POINTS[0], atol=1e-9)


def test_a_trace_has_the_format_of_its_context(tmp_path):
    other = '<traceFormat xml:id="f"><channel name="T"/><channel name="Y"/><channel name="F"/><channel name="X"/>'
    definitions = f'<definitions>{other}</traceFormat><context xml:id="c" traceFormatRef="#f"/></definitions>'
    turned = ", ".join(f"{t} {y} 7 {x}" for x, y, t in POINTS[1])
    text = ink(FORM.format(""), definitions, trace(ONE), trace(turned, 'contextRef="#c"'))
    assert points(read(tmp_path, text)) == POINTS


@pytest.mark.parametrize(("channel", "down"), [("F", "0.5"), ("S", "T")])
def test_a_channel_of_force_or_of_the_tip_parts_a_trace(tmp_path, channel, down):
    rows = [*POINTS[0], (17, 30, 40), (18, 30, 50), *((x, y, t) for x, y, t in POINTS[1])]
    up = {"F": "0", "S": "F"}[channel]
    values = [up if t in (40, 50) else down for _, _, t in rows]
    form = FORM.format("").replace('<channel name="T"', f'<channel name="{channel}"/><channel name="T"')
    text = ", ".join(f"{x} {y} {value} {t}" for (x, y, t), value in zip(rows, values, strict=True))
    air = "0 0 " + up + " 5"
    found = read(tmp_path, ink(form, trace(air, 'type="penUp"'), trace(text)))
    assert points(found) == POINTS and found.notes == []
    assert f"InkML channels X, Y, {channel}, T" in found.line and "3 rows with the pen up left out" in found.line


def test_a_channel_of_force_that_says_nothing_is_not_used(tmp_path):
    form = FORM.format("").replace('<channel name="T"', '<channel name="F"/><channel name="T"')
    for force, said in ((0, "every row"), (-1, "negative")):
        rows = ", ".join(f"{x} {y} {force} {t}" for x, y, t in POINTS[0])
        found = read(tmp_path, ink(form, trace(rows)))
        assert points(found) == [POINTS[0]]
        assert len(found.notes) == 1 and "pressure" in found.notes[0] and said in found.notes[0]


def test_times_by_the_sample_rate(tmp_path):
    rows = ", ".join(f"{x} {y}" for x, y, _ in POINTS[1])
    source = '<inkSource><sampleRate uniform="true" value="100"/></inkSource>'
    found = read(tmp_path, ink(source, trace(rows, 'timeOffset="100"')))
    assert points(found) == [POINTS[1]]
    assert found.line.endswith("t in ms by a sample rate of 100 Hz")


@pytest.mark.parametrize(
    ("text", "what", "where"),
    [
        ('<!DOCTYPE ink [<!ENTITY a "1">]><ink><trace>&a; 2 3</trace></ink>', "a document type", ""),
        ('<!DOCTYPE ink SYSTEM "http://localhost/x.dtd"><ink/>', "a document type", ""),
        ("<ink><trace>1 2", "no XML", ""),
        ("<svg/>", "root 'svg'", ""),
        (ink(trace("1 2, 3 4")), "neither a channel T among X, Y nor a uniform sampleRate", ", trace 1"),
        (ink(FORM.format(""), trace(ONE), trace("1 2 0, 3 4")), "point 2, '3 4', has not the 3", ", trace 2"),
        (ink(FORM.format(""), trace("1 2 zero")), "point 1, '1 2 zero'", ", trace 1"),
        (ink('<traceFormat><channel name="X"/></traceFormat>', trace("1")), "no channel Y among X", ", trace 1"),
        (ink(FORM.format("").replace("Y", "X"), trace(ONE)), "several channels X", ", trace 1"),
        (
            ink(
                '<context id="a">',
                FORM.format(' units="s"'),
                '</context><context id="b">',
                FORM.format(' units="ms"'),
                "</context>",
                trace("1 2 0, 3 4 .01", 'contextRef="#a"'),
                trace("1 2 0, 3 4 10", 'contextRef="#b"'),
            ),
            "units of times, that others have not",
            "",
        ),
        (ink(FORM.format(' units="ms"'), trace("1 2 0, 3 4 0.01")), "named in ms", ""),
    ],
)
def test_what_is_no_movement_is_refused(tmp_path, text, what, where):
    with pytest.raises(FfreproError) as error:
        read(tmp_path, text)
    assert what in error.value.what and str(error.value.where).endswith(f"mine.inkml{where}") and error.value.fix


def test_without_traces_there_are_no_points(tmp_path):
    assert [len(column) for column in read(tmp_path, ink()).movements[0]] == [0, 0, 0]
    assert user_inkml.parse("<ink/>", tmp_path).trace.tolist() == []
