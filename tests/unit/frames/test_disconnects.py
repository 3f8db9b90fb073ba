import re
from pathlib import Path

import pytest
from websockets.frames import Close

from chatcluster.frames import disconnects
from chatcluster.frames.disconnects import Disconnect

DOCUMENT = Path(__file__).parents[3] / "docs" / "disconnects.md"


def test_codes_are_unique() -> None:
    """A code tells the cause, so no two causes share one."""
    assert len({disconnect.code for disconnect in disconnects.ALL}) == len(disconnects.ALL)


@pytest.mark.parametrize("disconnect", [d for d in disconnects.ALL if not d.silent], ids=lambda d: str(d.code))
def test_every_cause_fits_a_close_frame(disconnect: Disconnect) -> None:
    """RFC 6455 allows the code, and the reason has at most 123 bytes."""
    assert len(disconnect.reason.encode()) <= disconnects.MAX_REASON_BYTES
    assert Close.parse(Close(disconnect.code, disconnect.reason).serialize()).code == disconnect.code


def test_ranges_tell_whether_to_reconnect() -> None:
    """4000 to 4499 and RFC 6455's codes for a server's own trouble invite the client back; the rest does not."""
    back = {disconnect.code for disconnect in disconnects.ALL if disconnect.reconnect}

    assert back == {1006, 1012, 1013, 4000, 4001, 4002}


def test_documentation_has_every_code() -> None:
    """Whoever writes a client reads the same codes, reasons and advice."""
    rows = re.findall(r"^\| (\d+) \| (.*?) \| *(\w*) *\| (.*?) \|", DOCUMENT.read_text(), re.MULTILINE)
    advice = {True: "yes", False: "no"}

    assert [(int(code), reason) for code, reason, *_ in rows] == [(d.code, d.reason) for d in disconnects.ALL]
    assert [again for _, _, again, _ in rows[1:]] == [advice[d.reconnect] for d in disconnects.ALL[1:]]
    assert [sent == "close frame" for *_, sent in rows] == [not d.silent for d in disconnects.ALL]
