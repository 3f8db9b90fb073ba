"""gochat's own answers and frames, captured, replayed against the real programs."""

from pathlib import Path

from support import replay, system

DOCUMENT = Path(__file__).parents[2] / "docs" / "gochat-differences.md"


async def test_gochat_s_capture_is_met(tmp_path: Path) -> None:
    """Every captured REST answer to the byte, and every captured frame at every client, on two gateways and by TCP."""
    async with system.running(tmp_path) as running:
        tcp = ("127.0.0.1", running.connect[1].ports["tcp"])
        await replay.replay(
            replay.Place(running.api_url, (running.websocket_url(0), running.websocket_url(1)), tcp),
        )


def test_every_difference_is_argued() -> None:
    """The exceptions that the replay makes stand in the document by name."""
    document = DOCUMENT.read_text()
    assert [d.name for d in replay.DIFFERENCES if f"`{d.name}`" not in document] == []
