"""What was done to a system while people used it, and a report that tells it together with what people were told.

A report is for whoever has to find out why something did not hold: which messages, which faults struck around them, and
what each program logged then. It is written into the test's own folder, beside the programs' logs.
"""

import asyncio
import gzip
import json
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from support.checker import Record, Sent, Violation

BEFORE, AFTER = 2.0, 12.0
"""Seconds around a message of which everything is told."""
TOLD = 30
"""Violations that are told at length, and messages of each."""
LINES = 40
"""Lines of a program around a message."""

_FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"
_REDIS = re.compile(r"\d+:\w (\d+ \w+ \d{4} [\d:.]+) ")


Logged = tuple[str, str]
"""When a line was logged, and the line; what has no time of its own has that of the line before it."""
Logs = Mapping[str, Sequence[Logged]]


class Diary:
    """Times and what happened; to be begun inside the loop by whose clock messages are stamped."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._wall = time.time() - self._loop.time()
        self._notes: list[tuple[float, str]] = []

    def note(self, text: str) -> None:
        """Write down what happens now."""
        self._notes.append((self._loop.time(), text))

    def lines(self, since: float = 0, until: float = float("inf")) -> list[str]:
        """What happened in that time, by the loop's clock."""
        return [f"{self.when(at)} {text}" for at, text in self._notes if since <= at <= until]

    def when(self, at: float) -> str:
        """A time as people and logs write it, and in seconds since the beginning."""
        return f"{self._stamp(at)[11:23]} (+{at - self._began:7.2f})"

    def among(self, log: Sequence[Logged], since: float, until: float) -> list[str]:
        """What a program logged in that time."""
        first, last = self._stamp(since), self._stamp(until)
        return [line for at, line in log if first <= at <= last]

    def _stamp(self, at: float) -> str:
        return datetime.fromtimestamp(self._wall + at, UTC).strftime(_FORMAT)


def write(folder: Path, diary: Diary, record: Record, found: Sequence[Violation], logs: Iterable[Path]) -> Path:
    """Write the report and, beside it, the whole record; returns the report's path."""
    with gzip.open(folder / "record.json.gz", "wt") as file:
        json.dump(asdict(record), file)
    path = folder / "report.txt"
    read = {log.name: logged(log) for log in logs}
    lines = [*_overview(diary, record, found), *_refusals(diary, record.sent), *_stories(diary, record, found, read)]
    path.write_text("\n".join(lines) + "\n")
    return path


def _overview(diary: Diary, record: Record, found: Sequence[Violation]) -> Iterator[str]:
    yield f"{len(record.sent)} messages: {dict(Counter(sent.result for sent in record.sent))}"
    yield f"{len(found)} violations: {dict(Counter(violation.invariant for violation in found))}"
    yield from map(str, found)
    yield from ["", "What was done", *diary.lines()]


def _refusals(diary: Diary, sent: Sequence[Sent]) -> Iterator[str]:
    """Why attempts did not end well, and how the messages of each second fared in which not all did."""
    yield from ["", "Attempts that did not end well"]
    whys = Counter(why for each in sent for *_, why in each.attempts)
    yield from (f"{count:7} {why}" for why, count in whys.most_common())
    yield from ["", "Messages by the second in which they were sent, where not all were acknowledged at once"]
    seconds: dict[int, list[Sent]] = {}
    for each in sent:
        seconds.setdefault(int(each.at), []).append(each)
    for second, messages in sorted(seconds.items()):
        if any(each.attempts for each in messages):
            results = dict(Counter(each.result for each in messages))
            slowest = max(each.seconds for each in messages)
            yield f"{diary.when(second)} {results}, the slowest after {slowest:.1f} s"


def _stories(diary: Diary, record: Record, found: Sequence[Violation], logs: Logs) -> Iterator[str]:
    known = {sent.id: sent for sent in record.sent}
    for violation in found[:TOLD]:
        yield from ["", "=" * 20, str(violation)]
        for each in list(dict.fromkeys(violation.ids))[:TOLD]:
            yield from _story(diary, known[each]) if each in known else [f"{each}: nobody sent it"]
        times = [known[each].at for each in violation.ids if each in known]
        if times:
            yield from _surroundings(diary, times[0], logs)


def _story(diary: Diary, sent: Sent) -> Iterator[str]:
    outcome = f"{sent.result} at {sent.position} in {sent.seconds:.2f} s"
    yield f"{sent.id} to {sent.room}, sent {diary.when(sent.at)}: {outcome}"
    yield from (f"    {diary.when(began)} to {diary.when(ended)}: {why}" for began, ended, why in sent.attempts)


def _surroundings(diary: Diary, at: float, logs: Logs) -> Iterator[str]:
    yield from (f"    {line}" for line in diary.lines(at - BEFORE, at + AFTER))
    for name, log in logs.items():
        lines = diary.among(log, at - BEFORE, at + AFTER)
        yield f"  {name}, {len(lines)} lines"
        yield from (f"    {line}" for line in lines[:LINES])


def logged(log: Path) -> list[Logged]:
    """The lines of a program's log."""
    at, found = "", list[Logged]()
    for line in log.read_text(errors="replace").splitlines():
        at = _timestamp(line) or at
        found.append((at, line))
    return found


def _timestamp(line: str) -> str:
    """When a line was logged, if it says so: as our programs do, or as Redis does."""
    if redis := _REDIS.match(line):
        return datetime.strptime(redis[1], "%d %b %Y %H:%M:%S.%f").astimezone(UTC).strftime(_FORMAT)
    try:
        return str(json.loads(line)["timestamp"])
    except (ValueError, LookupError, TypeError):
        return ""
