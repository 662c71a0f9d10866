"""``ffrepro new method``: a file to begin a learning method of one's own with."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

_EPILOG = """\
example:
  ffrepro new method my_ff                   mine/methods/my_ff.py: a local method that learns as it is
  ffrepro new method my_ff --to ~/lab        in another folder
  FFREPRO_EXTENSIONS=mine pytest -n0 tests/methods/test_conformance.py -k my_ff

The method works as made; comments say what to change. It is found while the environment variable FFREPRO_EXTENSIONS
names the folder: by the pipeline, by `ffrepro.fit(net, data, "my_ff")` and by the conformance tests.
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the program's parser."""
    parser = subparsers.add_parser(
        "new",
        help="a file to begin a method of your own with",
        description="Make a learning method that passes the conformance tests as made, to be changed.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", choices=["method"], help="what to make")
    parser.add_argument("name", metavar="NAME", help="the method's name: lower case, digits and _")
    parser.add_argument("--to", metavar="FOLDER", default="mine", help="folder of extensions (default: mine)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the files; print what to do with them."""
    from ffrepro.base.extensions import VARIABLE
    from ffrepro.training import scaffold

    folder = Path(args.to).expanduser()
    known = os.environ.get(VARIABLE, "")
    file, cases, entry = scaffold.method(args.name, folder)
    print(f"{file}\n{cases}\n")
    if str(folder.resolve()) not in known.split(os.pathsep):
        print(f"so that it is found:\n\n  export {VARIABLE}={folder.resolve()}\n")
    print(f"hold it to what every method must do:\n\n  pytest -n0 tests/methods/test_conformance.py -k {args.name}\n")
    print(f"a variant of it, under `variants` of a study.yaml:\n\n{entry}", end="")
    return 0
