"""The parser: exact values, and a reason for every file that it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from ffrepro.data.trajectory_csv import MAX_POINTS, BadSample, parse

DOLLAR = b"stroke_id x y time is_writing\n0 69 228 0 1\n0 67 228 13 1\n0 70 225 41 1"
MCYT = (
    b"stroke_id\t x\t y\t time\t is_writing\n"
    b"1.000000 \t 17.440000 \t 80.240000 \t 0.000000 \t 1.000000 \n"
    b"1.000000 \t 19.110000 \t -82.170001 \t 10.000000 \t 1.000000 \n"
    b"2.000000 \t 18.960000 \t 82.410000 \t 20.000000 \t 1.000000 \n"
)


def test_both_formats_give_the_written_numbers():
    assert parse(DOLLAR, " ").tolist() == [[0, 69, 228, 0], [0, 67, 228, 13], [0, 70, 225, 41]]
    rows = parse(MCYT, "\t ")
    assert rows.dtype == np.float64
    assert rows.tolist() == [[1, 17.44, 80.24, 0], [1, 19.11, -82.170001, 10], [2, 18.96, 82.41, 20]]


def test_line_ends_of_another_system_change_nothing():
    assert (parse(DOLLAR.replace(b"\n", b"\r\n") + b"\r\n", " ") == parse(DOLLAR, " ")).all()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty file"),
        (b"\n\n", "empty file"),
        (b"stroke_id x y time is_writing\n", "no rows after the header"),
        (b"x y time\n1 2 3", "line 1: header 'x y time'"),
        (MCYT, r"line 1: header 'stroke_id\\t x"),
        (DOLLAR + b"\n0 70", "line 5: 2 columns, expected 5"),
        (DOLLAR.replace(b"67 228", b"67 228 9"), "line 3: 6 columns, expected 5"),
        (DOLLAR.replace(b"67 228", b"67").replace(b"70 225", b"70 225 9"), "line 3: 4 columns, expected 5"),
        (b"stroke_id x y time is_writing\n" + b"0 1 2 3 4 1\n" * 3, "line 2: 6 columns, expected 5"),
        (DOLLAR.replace(b"67", b"6a7"), "line 3: '6a7' is not a number"),
        (DOLLAR.replace(b"67", b"nan"), "row 2: x is nan"),
        (DOLLAR.replace(b"225", b"inf"), "row 3: y is inf"),
        (DOLLAR[:-14], "2 points, fewer than 3"),
        (DOLLAR[:-1] + b"0", "row 3: is_writing is not 1"),
        (DOLLAR.replace(b"\n0 67", b"\n0.5 67"), "stroke_id is not a small whole number"),
        (b"\x00\xff\xfe", "not a text file"),
    ],
)
def test_unusable_files_have_a_reason(content, reason):
    with pytest.raises(BadSample, match=reason):
        parse(content, " ")


def test_more_rows_than_any_movement_has():
    rows = b"stroke_id x y time is_writing\n" + b"0 1 2 3 1\n" * (MAX_POINTS + 1)
    with pytest.raises(BadSample, match="200,001 rows, more than 200,000"):
        parse(rows, " ")
