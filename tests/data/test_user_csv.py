"""A user's CSV: the written numbers whatever separates them, and never others."""

import tracemalloc

import pytest

from ffrepro.base.errors import FfreproError
from ffrepro.data import user_csv, user_text

POINTS = [[1.5, 2.5, 10], [3.0, -4.0, 20.5]]


def read(tmp_path, content):
    path = tmp_path / "mine.csv"
    path.write_text(content, encoding="utf-8")
    return [list(point) for point in zip(*user_csv.read(path)[:3], strict=True)]


@pytest.mark.parametrize(
    "content",
    [
        "x,y,t\n1.5,2.5,10\n3,-4,20.5\n",
        "x_orig,y_original,t\n1.5,2.5,10\n3,-4,20.5\n",
        "x, y, t\n 1.5, 2.5, 10\n 3, -4, 20.5\n",
        "x;y;t\n1,5;2,5;10\n3;-4;20,5\n",
        "x\ty\ttime\n1.5\t2.5\t10\n3\t-4\t20.5\n",
        '"x","y","t"\n"1.5","2.5","10"\n"3","-4","20.5"\n',
        "'x';'y';'t'\n'1,5';'2,5';'10'\n'3';'-4';'20,5'\n",
        "\ufeffX,Y,T_ms\r\n1.5,2.5,10\r\n\r\n3,-4,20.5\r\n,,\r\n",
        "t,p,x,y\n10,,1.5,2.5\n20.5,1,3,-4\n",
        "x,y,p,t,q\n1.5,2.5,,10,7\n3,-4,1,20.5,\n",
        "x,y,p,t,q\n1.5,2.5,,10\n3,-4,1,20.5,7,,\n",
        "x\ty\tp\tt\n1.5\t2.5\t\t10\n3\t-4\t1\t20.5\n",
        'x,y,label,t\n1.5,2.5,"a, 5",10\n3,-4,b,20.5\n',
    ],
)
def test_the_written_numbers(tmp_path, content):
    assert read(tmp_path, content) == POINTS


@pytest.mark.parametrize(
    "content",
    [
        "3,2.5,10\n1.5,-4,20.5",
        "3,0;2,5;10\n1,5;-4,0;20,5\n",
        "3;2.5;10\n1.5;-4;20.5\n",
        "3   2.5 10\n  1.5 -4 20.5\n",
        "3,2.5,10,,\n1.5,-4,20.5\n",
    ],
)
def test_the_written_numbers_without_a_header(tmp_path, content):
    assert read(tmp_path, content) == [[3, 2.5, 10], [1.5, -4, 20.5]]


@pytest.mark.parametrize(
    ("content", "what", "line", "fix"),
    [
        ("x,y,t\n1,5,2,5,10\n", "'1,5,2,5,10' has 5 columns, the first line 3", 2, "decimal commas needs semicolons"),
        ("x\ty\tt\n1,5\t2,5\t10\n", "x '1,5' is no number", 2, "separated by tabs"),
        ("1,5 2,5 10\n", "no column x, y, t among '1', '5 2', '5 10'", 1, "decimal commas needs semicolons"),
        ("x,y,p,t\n1,2,1,10\n1,2,1,\n", "'1,2,1,': t is empty", 3, "separated by commas"),
        ("x y p t\n1 2 1 10\n1 2 20\n", "'1 2 20' has 3 columns, the first line 4", 3, "separated by spaces"),
        ("x;y;t\n1;2;3\n1,2,3\n", "x '1,2,3' is no number", 3, "separated by semicolons"),
        ("x,y,t\n1;2;3\n", "x '1;2;3' is no number", 2, "separated by commas"),
        ("x,y,t\n1,2,3\n4,5\n", "t is empty", 3, "a point a line"),
        ("x,y,t\n1,2,three\n", "t 'three' is no number", 2, "a point a line"),
        ("x,y,t\n1,2," + "3" * 200_000 + "\n", "is no number", 2, "a point a line"),
        ("x,y\n1,2\n", "no column t among 'x', 'y'", 1, "name the columns x, y, t (or time)"),
        ("3,2.5,10,start\n1.5,-4,20.5,\n", "4 columns without a header", 1, "pen or pressure"),
        ("1,2\n3,4\n", "no column x, y, t among '1', '2'", 1, "name the columns"),
    ],
)
def test_nothing_is_read_as_something_else(tmp_path, content, what, line, fix):
    with pytest.raises(FfreproError) as error:
        read(tmp_path, content)
    assert what in error.value.what
    assert f"mine.csv, line {line}" in str(error.value.where)
    assert fix in error.value.fix


def test_files_that_are_none(tmp_path):
    assert read(tmp_path, "") == read(tmp_path, "\n , ,\n") == read(tmp_path, "x,y,t\n") == []
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "wide.csv").write_bytes("x,y,t\n1,2,3\n".encode("utf-32"))
    for name, what, fix in (
        ("folder.csv", "a folder, not a file", "give one CSV of x, y, t in it"),
        ("wide.csv", "not a text file", "saved as UTF-8"),
        ("nowhere.csv", "no such file", "DATASET/NAME"),
    ):
        with pytest.raises(FfreproError, match=what) as error:
            user_csv.read(tmp_path / name)
        assert fix in error.value.fix


def test_a_file_larger_than_the_limit_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "mine.csv"
    with open(path, "wb") as file:
        file.truncate(1 << 40)  # a terabyte that takes no space
    with pytest.raises(FfreproError, match=f"{user_text.LARGEST:,}") as error:
        user_csv.read(path)
    assert error.value.where == path and "awk" in error.value.fix


def test_the_limit_itself_is_read(tmp_path, monkeypatch):
    content = "x,y,t\n" + "1,2,3\n" * 100
    monkeypatch.setattr(user_text, "LARGEST", len(content))
    assert read(tmp_path, content) == [[1, 2, 3]] * 100


def test_rows_take_little_memory(tmp_path, monkeypatch):
    """The text, its lines, the numbers and a copy of them; lists of lists took twice as much."""
    rows = 20_000
    path = tmp_path / "mine.csv"
    path.write_text("x,y,t\n" + "".join(f"{n}.25,{n},{n}\n" for n in range(rows)))
    monkeypatch.setattr(user_text, "LARGEST", path.stat().st_size)
    tracemalloc.start()
    try:
        user_csv.read(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 220 * rows
