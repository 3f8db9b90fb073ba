"""What a person at the terminal sees: every program's lines, each behind the program's name.

Owns the form of a line. Does not own what the lines say.
"""

from typing import TextIO

_COLORS = (36, 32, 33, 35, 34, 96, 92, 93)
_WIDTH = 9


class Console:
    """Writes lines, in a colour for each source on a terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._colored = stream.isatty()
        self._colors: dict[str, int] = {}

    def write(self, source: str, text: str) -> None:
        """Write one line of a source. Blocks as long as the terminal does not take it, and with it the programs."""
        name = source.ljust(_WIDTH)
        if self._colored:
            color = self._colors.setdefault(source, _COLORS[len(self._colors) % len(_COLORS)])
            name = f"\x1b[{color}m{name}\x1b[0m"
        self._stream.write(f"{name} | {text}\n")
        self._stream.flush()
