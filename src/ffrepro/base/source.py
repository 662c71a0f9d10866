"""Python files read as syntax trees: what they declare is known without importing them."""

from __future__ import annotations

import ast
from pathlib import Path

from ffrepro.base.errors import FfreproError


def syntax_tree(file: Path) -> ast.Module:
    """Return the syntax tree of a Python file.

    Raises:
        FfreproError: it does not parse; the place is its line.
    """
    try:
        return ast.parse(file.read_bytes(), filename=str(file))
    except SyntaxError as error:
        raise FfreproError(
            f"{file.name} does not parse: {error.msg}", where=f"{file}:{error.lineno}", fix="mend the file"
        ) from None
