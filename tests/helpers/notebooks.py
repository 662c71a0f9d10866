"""Notebooks without Jupyter: run in a fresh interpreter, and compared with the outputs that they are committed with."""

import ast
import base64
import contextlib
import io
import math
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import nbformat
from nbformat.v4 import new_output

CPU_LIMIT_S = 60  # everything included; on one idle core it is the time that passes
PATIENCE_S = 400  # where other work shares the core
DPI = 80
DECIMAL = re.compile(r"(-?\d+\.\d+)")
TOLERANCE = 0.05  # absolute and relative: on another processor training ends a little elsewhere


def run(path, folder):
    """A notebook with the outputs that its code cells give now: on one core, without a network, in a fresh process.

    Args:
        folder: an empty one, where the cells run.

    Raises:
        AssertionError: a cell failed, with its traceback; or the whole took more than ``CPU_LIMIT_S``.
    """
    made = folder / "made.ipynb"
    one_core = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "MPLBACKEND": "Agg"}
    command = [sys.executable, __file__, str(path), str(made)]
    done = subprocess.run(
        command, cwd=folder, env=os.environ | one_core, capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert done.returncode == 0, done.stderr
    return nbformat.read(made, as_version=4)


def differences(shown, made):
    """What two notebooks of the same cells print differently, a line each; pictures are counted only.

    Words and whole numbers must be the same, decimals within ``TOLERANCE``; the width of white space does not count.
    """
    found = []
    for a, b in zip(_code(shown), _code(made), strict=True):
        kinds = [[output.output_type for output in cell.outputs] for cell in (a, b)]
        if kinds[0] != kinds[1]:
            found.append(f"{a.id}: outputs {kinds[0]} are now {kinds[1]}")
            continue
        for old, new in zip(a.outputs, b.outputs, strict=True):
            if not _alike(old.get("text", ""), new.get("text", "")):
                found.append(f"{a.id}: {old.text!r} is now {new.text!r}")
    return found


def _code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _alike(old, new):
    old, new = (DECIMAL.split(" ".join(text.split())) for text in (old, new))
    return old[::2] == new[::2] and all(
        math.isclose(float(a), float(b), rel_tol=TOLERANCE, abs_tol=TOLERANCE) for a, b in zip(old[1::2], new[1::2])
    )


def _execute(notebook):
    """Run the code cells in order in one namespace, and put what they print and show into the notebook."""
    from matplotlib import pyplot

    namespace = {"__name__": "__main__"}
    for count, cell in enumerate(_code(notebook), 1):
        cell.execution_count, cell.outputs = count, []
        printed = io.StringIO()

        def take_text(cell=cell, printed=printed):
            if printed.getvalue():
                cell.outputs.append(new_output("stream", name="stdout", text=printed.getvalue()))
            printed.seek(0)
            printed.truncate()

        def show(cell=cell, take_text=take_text):
            take_text()
            for number in pyplot.get_fignums():
                png = io.BytesIO()
                pyplot.figure(number).savefig(png, format="png", dpi=DPI, metadata={"Software": None})
                data = {"image/png": base64.b64encode(png.getvalue()).decode()}
                cell.outputs.append(new_output("display_data", data))
            pyplot.close("all")

        pyplot.show = show
        with contextlib.redirect_stdout(printed):
            _run_cell(cell.source, f"<cell {cell.id}>", namespace)
        take_text()
        assert not pyplot.get_fignums(), f"cell {cell.id}: a figure without plt.show()"


def _run_cell(source, name, namespace):
    """Run a cell. Jupyter would also show the value of a last line that is an expression: such a line is refused."""
    tree = ast.parse(source, name)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, name, "exec"), namespace)
    if last is not None:
        value = eval(compile(ast.Expression(last.value), name, "eval"), namespace)
        assert value is None, f"{name}: its last line has a value that Jupyter would show: print it"


def _no_network(*_):
    raise OSError("a notebook must run without a network")


if __name__ == "__main__":
    socket.socket.connect = _no_network
    content = nbformat.read(Path(sys.argv[1]), as_version=4)
    _execute(content)
    nbformat.write(content, Path(sys.argv[2]))
    assert time.process_time() < CPU_LIMIT_S, f"{time.process_time():.0f} CPU-seconds, {CPU_LIMIT_S} are allowed"
