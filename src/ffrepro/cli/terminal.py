"""What may reach a terminal: names and messages from records and archives could hold sequences that command it."""

from __future__ import annotations

import re
from typing import Any, TextIO

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")  # C0, C1, changes of direction


def printable(text: str) -> str:
    """The text with control characters, but line ends and tabs, as ``\\u001b``."""
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


class Printable:
    """A text stream that shows control characters instead of obeying them. Progress bars go to standard error."""

    def __init__(self, stream: TextIO):
        self._stream = stream

    def write(self, text: str) -> int:
        """Write ``text``; how many characters of it."""
        self._stream.write(printable(text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
