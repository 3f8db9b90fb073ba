"""The report of a failed run tells what its reader needs: the message, what struck then, and what programs logged."""

import asyncio
import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from support import checker, diary
from support.checker import Record, Segment, Sent
from support.diary import Diary


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Return a program's log: something long ago, something now, and a traceback that belongs to it."""
    now = datetime.now(UTC)
    lines = [
        json.dumps({"event": "long_ago", "timestamp": (now - timedelta(hours=1)).isoformat()[:26] + "Z"}),
        json.dumps({"event": "just_now", "timestamp": now.isoformat()[:26] + "Z"}),
        "Traceback (most recent call last):",
    ]
    path = tmp_path / "task-0.log"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
async def record() -> Record:
    """Return a run in which a message was refused once, acknowledged later, and is gone."""
    now = asyncio.get_running_loop().time()
    sent = Sent("m1", "room:1", "ok", ("1", 1), at=now, seconds=0.4, attempts=[(now, now + 0.1, "503 busy: full")])
    return Record([sent], [Segment("room:1", "ann", ["m1"])], [], {})


async def test_report_tells_what_happened_around_a_message(tmp_path: Path, log: Path, record: Record) -> None:
    """Its attempts, the faults and the lines of those seconds; not what was long before."""
    told = Diary()
    told.note("task-0 is killed")
    found = checker.violations(record)

    report = diary.write(tmp_path, told, record, found, [log]).read_text()

    assert str(found[0]) in report
    for text in ("m1 to room:1", "503 busy: full", "task-0 is killed", "task-0.log, 2 lines", "just_now", "Traceback"):
        assert text in report
    assert "long_ago" not in report


async def test_what_redis_logs_has_its_time(tmp_path: Path) -> None:
    """It writes times as it likes, in the zone of the machine."""
    log, now = tmp_path / "redis.log", datetime.now().astimezone()
    lines = [
        f"7:M {at:%d %b %Y %H:%M:%S}.123 * {text}" for at, text in ((now - timedelta(hours=1), "old"), (now, "new"))
    ]
    log.write_text("\n".join(lines))
    told, loop = Diary(), asyncio.get_running_loop()

    assert told.among(diary.logged(log), loop.time() - 5, loop.time() + 5) == lines[1:]


async def test_whole_record_is_kept_beside_the_report(tmp_path: Path, log: Path, record: Record) -> None:
    """So that whatever the report leaves out can be looked up."""
    diary.write(tmp_path, Diary(), record, [], [log])

    with gzip.open(tmp_path / "record.json.gz", "rt") as file:
        kept = json.load(file)
    assert [each["id"] for each in kept["sent"]] == ["m1"]
    assert kept["segments"][0]["ids"] == ["m1"]
