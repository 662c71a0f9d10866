"""A command's process: ended politely by a signal, and not ended by a terminal that lacks a letter."""

import os
import signal
import subprocess
import sys

import pytest

# Runs `ffrepro plan`, whose work is the line in its first argument.
PROGRAM = """
import os, signal, sys, time
from types import SimpleNamespace
from ffrepro.cli import main as cli

line = sys.argv.pop(1)
cli.import_module = lambda name: SimpleNamespace(
    add_parser=lambda subparsers: subparsers.add_parser("plan"), run=lambda args: exec(line) or 0
)
sys.exit(cli.main())
"""
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": ""}
LATIN = os.fsdecode(b"caf\xe9")


def ffrepro(line, **environment):
    command = [sys.executable, "-c", PROGRAM, line, "plan"]
    return subprocess.run(command, env=os.environ | environment, capture_output=True)


@pytest.mark.parametrize("environment", [ASCII, {"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "utf-8"}])
def test_every_text_can_be_printed_on_every_terminal(environment):
    text = f"0.1 \u00b1 0.02 \u03c3 {LATIN}"
    done = ffrepro(f"print({text!a}); print({text!a}, file=sys.stderr)", **environment)
    assert done.returncode == 0
    encoding = "utf-8" if "utf-8" in environment.values() else "ascii"
    assert done.stdout == done.stderr == text.encode(encoding, "backslashreplace") + b"\n"


def test_an_error_about_a_file_whose_name_is_no_text_is_printed():
    done = ffrepro(f"open({LATIN!a})", **ASCII)
    assert done.returncode == 1
    assert b"where: caf\\udce9" in done.stderr and b"Traceback" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_request_to_end_is_a_stop_by_the_user(number):
    done = ffrepro(
        f"try: os.kill(os.getpid(), {int(number)}); time.sleep(60)\nfinally: print('cleaned up')",
    )
    assert done.returncode == 130 and done.stdout == b"cleaned up\n"
    assert b"stopped" in done.stderr and b"Traceback" not in done.stderr


def test_what_is_ignored_stays_ignored():
    """As `nohup` asks for."""
    command = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", sys.executable, "-c", PROGRAM]
    done = subprocess.run([*command, "os.kill(os.getpid(), signal.SIGHUP)", "plan"], capture_output=True)
    assert done.returncode == 0
