"""``ffrepro``: find the command, load its file alone, turn errors into messages and exit codes.

Exit codes: 0 done, 1 an error (its message explains it, or says where its traceback is), 2 wrong arguments,
130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import traceback
from contextlib import redirect_stdout
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from types import ModuleType

from ffrepro import __version__
from ffrepro.base.errors import FfreproError, explain_os_error
from ffrepro.base.files import write_text
from ffrepro.base.names import nearest
from ffrepro.base.reading import last_file
from ffrepro.cli import process
from ffrepro.cli.terminal import Printable, printable

# Command -> (module in this package, what it is for): `ffrepro --help` must not import torch to print this.
COMMANDS = {
    "plan": ("plan", "which runs there are, what is done, what the rest costs; --write makes plan files and dvc.yaml"),
    "fetch": ("fetch", "get an archive from the cache, a mirror or upstream, or make its stand-in"),
    "prepare": ("prepare", "turn an archive into a prepared data set"),
    "negatives": ("negatives", "make Sigma-Lognormal negatives from a data set's human samples"),
    "kinematics": ("kinematics", "show the strokes behind one movement, of a data set or of your own"),
    "train": ("train", "train and evaluate the run of a plan file; goes on from where it was stopped"),
    "baseline": ("baseline", "fit and test the baseline classifier of a plan file"),
    "search": ("search", "try settings on the validation part, as a plan file says, and record all trials"),
    "evaluate": ("evaluate", "evaluate a finished run again"),
    "bench": ("bench", "time and memory of a step beside backpropagation; quality of the stroke plans"),
    "report": ("report", "tables, figures, verdicts and the report from run records"),
    "docs": ("docs", "result tables and numbers of pages, generated between markers"),
    "audit": ("audit", "hold a paper's statements to its own figures, or your own paper's; nothing is trained"),
    "compare": ("compare", "two runs side by side: settings, code, machine, metrics"),
    "trace": ("trace", "from a published number to the runs behind it"),
    "new": ("new", "a file to begin a method of your own with"),
    "track": ("track", "mirror run records to MLflow"),
    "sync": ("sync", "let DVC or Snakemake see what the other has finished"),
    "export": ("export", "pack run records for another machine"),
    "import": ("import_", "take in run records from another machine"),
    "doctor": ("doctor", "check environment, hardware, mirrors and disk"),
}
_TRACEBACK = "FFREPRO_TRACEBACK"  # set: unexpected errors print their traceback, too
_LONGEST = 300  # characters of such an error's own message
_EPILOG = """\
example:
  ffrepro plan                       what would run, and how long it takes
  snakemake --cores all              the whole reproduction, in parallel
  ffrepro COMMAND --help             a command's options, with an example
"""


def main(argv: list[str] | None = None) -> int:
    """Run a command and return its exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    if argv is None:
        process.set_up()
    try:
        args, command = _parse(arguments)
        if args.command == "fetch":
            _offer_mirror()
        with redirect_stdout(Printable(sys.stdout)):
            return command.run(args)
    except SystemExit as end:  # argparse: --help and wrong arguments
        return end.code if isinstance(end.code, int) else 2
    except FfreproError as error:
        return _fail(error)
    except BrokenPipeError:  # `ffrepro plan | head`
        sys.stderr.close()
        return 1
    except OSError as error:
        return _fail(explain_os_error(error))
    except KeyboardInterrupt:
        print("ffrepro: stopped; finished work is kept, and the same command goes on from there", file=sys.stderr)
        return 130
    except Exception as error:  # nobody foresaw it: whoever mends it needs the traceback, everyone else a line
        return _unexpected(error, arguments)


def _parse(arguments: list[str]) -> tuple[argparse.Namespace, ModuleType]:
    parser = argparse.ArgumentParser(
        prog="ffrepro",
        description="Re-run what four Forward-Forward papers claim, beside backpropagation on the same machine.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"ffrepro {__version__}")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True, dest="command")
    wanted = arguments[0] if arguments else ""
    if wanted in COMMANDS:
        command = import_module(f"ffrepro.cli.{COMMANDS[wanted][0]}")
        command.add_parser(subparsers)
        return parser.parse_args(arguments), command
    if wanted and not wanted.startswith("-"):
        close = nearest(wanted, COMMANDS)
        hint = f"did you mean {close!r}? " if close else ""
        parser.error(f"unknown command {wanted!r}: {hint}Available: {', '.join(COMMANDS)}")
    for name, (_, purpose) in COMMANDS.items():
        subparsers.add_parser(name, help=purpose)
    parser.parse_args(arguments)
    raise AssertionError("argparse ends the program without a command")


def _offer_mirror() -> None:
    """Let `fetch` know the mirror of params.yaml; the environment's own wins."""
    from ffrepro.pipeline import params

    place = params.mirror(Path.cwd())
    if place:
        os.environ.setdefault("FFREPRO_MIRROR", place)


def _fail(error: FfreproError) -> int:
    print(f"ffrepro: error: {printable(str(error))}", file=sys.stderr)
    return 1


def _unexpected(error: Exception, arguments: list[str]) -> int:
    """One line about an error that has no message of its own; the traceback goes to a file."""
    text = "".join(traceback.format_exception(error))
    said = (str(error).strip().splitlines() or ["no message"])[0][:_LONGEST]
    place = _keep_traceback(f"ffrepro {' '.join(arguments)}\nlast file read: {last_file()}\n\n{text}")
    notes = [f"last file read: {last_file()}"] if last_file() else []
    notes.append(f"traceback: {place}" if place else f"set {_TRACEBACK}=1 to see the traceback")
    line = f"unexpected {type(error).__name__}: {said} ({'; '.join(notes)})"
    print(f"ffrepro: error: {printable(line)}", file=sys.stderr)
    if os.environ.get(_TRACEBACK):
        print(text, file=sys.stderr)
    return 1


def _keep_traceback(text: str) -> Path | None:
    """Write a traceback under the project's logs/, else to the temporary folder; None where neither can be written."""
    name = f"traceback-{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}.txt"
    in_project = [Path("logs")] if Path("params.yaml").is_file() else []
    for folder in [*in_project, Path(tempfile.gettempdir())]:
        try:
            write_text(folder / name, text)
            return folder / name
        except (OSError, ValueError):  # full, read-only, or a text that UTF-8 cannot hold
            continue
    return None
