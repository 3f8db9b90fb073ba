import io

from chatcluster.local.console import Console


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_every_line_says_whose_it_is() -> None:
    """Away from a terminal a line is the source, a bar and the text, and nothing else."""
    stream = io.StringIO()

    Console(stream).write("task-0", "listening")

    assert stream.getvalue() == "task-0    | listening\n"


def test_sources_differ_by_colour_on_a_terminal() -> None:
    """A source keeps its colour; the next one gets another."""
    stream = Terminal()
    console = Console(stream)

    for source in ("api-0", "task-0", "api-0"):
        console.write(source, "x")

    first, second, third = stream.getvalue().splitlines()
    assert first == third
    assert first.split("api-0")[0] != second.split("task-0")[0]
    assert first.startswith("\x1b[")
