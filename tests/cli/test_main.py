"""The command line as a whole: help, unknown names, and what an error looks like from outside."""

import errno
import subprocess
import sys
from types import SimpleNamespace

import pytest

from ffrepro import __version__
from ffrepro.base.errors import FfreproError
from ffrepro.base.files import read_json
from ffrepro.cli import main as cli


@pytest.fixture
def command(monkeypatch):
    """Replace a command by one that raises."""

    def install(error):
        def run(args):
            raise error

        def add_parser(subparsers):
            subparsers.add_parser("plan")

        monkeypatch.setattr(cli, "import_module", lambda name: SimpleNamespace(add_parser=add_parser, run=run))

    return install


def test_help_lists_every_command_and_loads_none(capsys):
    assert cli.main(["--help"]) == 0
    out = capsys.readouterr().out
    for name, (_, purpose) in cli.COMMANDS.items():
        assert f"    {name}" in out and purpose.split()[0] in out
    code = (
        "import sys; from ffrepro.cli.main import main; main(['--help']);"
        "assert not {'torch', 'numpy', 'yaml', 'jsonschema', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("name", list(cli.COMMANDS))
def test_every_command_explains_itself_with_an_example(name, capsys):
    assert cli.main([name, "--help"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"usage: ffrepro {name} ")
    assert "example" in out and f"ffrepro {name}" in out.split("example", 1)[1]


def test_version(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"ffrepro {__version__}\n"


def test_python_dash_m_is_the_same_program():
    done = subprocess.run([sys.executable, "-m", "ffrepro", "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"ffrepro {__version__}\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["trian"], "unknown command 'trian': did you mean 'train'? Available: plan, fetch, "),
        (["zzz"], "unknown command 'zzz': Available: "),
        ([], "required: COMMAND"),
        (["plan", "--scael"], "unrecognized arguments: --scael"),
        (["sync"], "required: --to"),
        (["sync", "--to", "make"], "invalid choice: 'make'"),
    ],
)
def test_wrong_arguments_exit_with_2(arguments, said, capsys):
    assert cli.main(arguments) == 2
    assert said in capsys.readouterr().err


def test_an_error_says_what_where_and_how_to_mend_it(command, capsys):
    command(FfreproError("no such thing", where="params.yaml", fix="add it"))
    assert cli.main(["plan"]) == 1
    captured = capsys.readouterr()
    assert captured.err == "ffrepro: error: no such thing\n  where: params.yaml\n  fix:   add it\n"
    assert captured.out == ""


def test_a_full_disk_says_that_work_is_kept(command, capsys):
    command(OSError(errno.ENOSPC, "No space left on device", "runs/x"))
    assert cli.main(["plan"]) == 1
    err = capsys.readouterr().err
    assert "no space left on the disk" in err and "runs/x" in err and "finished work is kept" in err


def test_an_interrupt_says_that_the_same_command_goes_on(command, capsys):
    command(KeyboardInterrupt())
    assert cli.main(["plan"]) == 130
    assert "finished work is kept, and the same command goes on" in capsys.readouterr().err


@pytest.mark.parametrize("error", [ZeroDivisionError("by 0"), KeyError("x"), RecursionError(), MemoryError()])
def test_an_error_that_nobody_foresaw_is_a_line_and_a_file(command, tmp_path, monkeypatch, capsys, error):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FFREPRO_TRACEBACK", raising=False)
    (tmp_path / "params.yaml").touch()
    (tmp_path / "a.json").write_text("{}")
    read_json(tmp_path / "a.json")
    command(error)
    assert cli.main(["plan"]) == 1
    (kept,) = (tmp_path / "logs").iterdir()
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and err.startswith(f"ffrepro: error: unexpected {type(error).__name__}: ")
    assert str(tmp_path / "a.json") in err and f"logs/{kept.name}" in err
    assert f"{type(error).__name__}" in kept.read_text() and "Traceback" in kept.read_text()


def test_the_traceback_goes_where_it_can_be_written_and_to_the_terminal_where_asked(
    command, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FFREPRO_TRACEBACK", "1")
    monkeypatch.setattr(cli.tempfile, "gettempdir", lambda: str(tmp_path / "temporary"))
    command(ZeroDivisionError())
    (tmp_path / "params.yaml").touch()
    (tmp_path / "logs").touch()  # a file: nothing can be written under it
    assert cli.main(["plan"]) == 1
    (kept,) = (tmp_path / "temporary").iterdir()
    err = capsys.readouterr().err
    assert str(kept) in err and "Traceback" in err
    kept.unlink()
    (tmp_path / "temporary").rmdir()
    (tmp_path / "temporary").touch()
    assert cli.main(["plan"]) == 1 and "FFREPRO_TRACEBACK" in capsys.readouterr().err


def test_control_characters_reach_no_terminal(command, monkeypatch, capsys):
    command(FfreproError("\x1b[2Jcleared", where="a\rb"))
    assert cli.main(["plan"]) == 1
    err = capsys.readouterr().err
    assert "\x1b" not in err and "\r" not in err and "\\u001b[2J" in err

    def run(args):
        print("a\x1b]0;title\x07\tb\u202ec\x9b")
        return 0

    module = SimpleNamespace(add_parser=lambda subparsers: subparsers.add_parser("plan"), run=run)
    monkeypatch.setattr(cli, "import_module", lambda name: module)
    assert cli.main(["plan"]) == 0
    assert capsys.readouterr().out == "a\\u001b]0;title\\u0007\tb\\u202ec\\u009b\n"


def test_a_reader_that_stops_early_is_no_error_message(tmp_path):
    command = f"{sys.executable} -m ffrepro --help | head -n 1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert done.stdout.startswith("usage: ffrepro") and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("declared", "environment", "used"),
    [("null", None, None), ("/params", None, "/params"), ("/params", "/env", "/env")],
)
def test_fetch_knows_the_mirror_of_params_yaml_and_the_environment_wins(
    tmp_path, monkeypatch, declared, environment, used
):
    seen = []
    (tmp_path / "params.yaml").write_text(f"mirror: {declared}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FFREPRO_MIRROR", raising=False)
    if environment:
        monkeypatch.setenv("FFREPRO_MIRROR", environment)

    def run(args):
        seen.append(cli.os.environ.get("FFREPRO_MIRROR"))
        return 0

    module = SimpleNamespace(add_parser=lambda subparsers: subparsers.add_parser("fetch"), run=run)
    monkeypatch.setattr(cli, "import_module", lambda name: module)
    assert cli.main(["fetch"]) == 0 and seen == [used]
    monkeypatch.setenv("FFREPRO_MIRROR", "")  # main sets the variable for its own process: undo it afterwards


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (["bench", "local", "--rounds", "0"], "--rounds"),
        (["train", "plan.json", "--threads", "-1"], "--threads"),
        (["kinematics", "plan", "dollar", "--workers", "two"], "--workers"),
    ],
)
def test_how_many_is_at_least_one(arguments, option, capsys):
    assert cli.main(arguments) == 2
    assert f"argument {option}: '{arguments[-1]}' is no whole number from 1 on" in capsys.readouterr().err
