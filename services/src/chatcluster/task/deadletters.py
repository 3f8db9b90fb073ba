"""What was set aside, listed, put back or thrown away: `python -m chatcluster.task.deadletters`.

Owns the command line, and how a dead letter looks on it; what a message says is never shown. Does not own the steps
(the log). It needs no running task, only a task's settings, so it is run where a task could run.

Exit codes: 0, 1 when something was not there or Redis did not answer, 2 for a wrong command or setting.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial

from chatcluster.core import errors, redis
from chatcluster.core.environment import Cluster, WrongSetting
from chatcluster.core.ids import ShardId, StreamId
from chatcluster.log import log
from chatcluster.log.redis import RedisLog
from chatcluster.log.settings import Settings as LogSettings
from chatcluster.task.dispatch import room_of

KEPT = 10_000
"""Dead letters of a shard that the log keeps."""

_COLUMNS = "{:<5}  {:<20}  {:<19}  {:<11}  {:<20}  {}\n"

_LOSES = (
    "What is discarded is gone: a message stays in its room's history, but is delivered to nobody who does not read it "
    "there, and a private one that was set aside before it was copied is never in the inboxes."
)

Write = Callable[[str], object]
Step = Callable[[StreamId], Awaitable[bool]]


async def show(log: log.Log, limit: int, write: Write) -> int:
    """List the dead letters of all shards, at most `limit` of each, oldest first."""
    count = 0
    for shard in _shards(log):
        for letter in await log.dead_letters(shard, limit):
            if not count:
                write(_COLUMNS.format("shard", "entry", "set aside (UTC)", "kind", "room", "reason"))
            count += 1
            write(line(shard, letter))
    write(f"{count} dead letters\n")
    return 0


async def replay(log: log.Log, shard: ShardId, entries: Iterable[StreamId], write: Write) -> int:
    """Put dead letters of a shard back into dispatch. An entry that still cannot be handled is set aside once more."""
    return await _each(partial(log.replay, shard), shard, entries, "in dispatch again", write)


async def replay_all(log: log.Log, write: Write) -> int:
    """Put back what is there now, in the order in which it was set aside."""
    for shard in _shards(log):
        letters = await log.dead_letters(shard, KEPT)
        await replay(log, shard, [letter.entry.id for letter in letters], write)
    return 0


async def discard(log: log.Log, shard: ShardId, entries: Iterable[StreamId], write: Write) -> int:
    """Throw dead letters of a shard away, for good."""
    return await _each(partial(log.discard, shard), shard, entries, "discarded", write)


async def discard_all(log: log.Log, shard: ShardId, write: Write) -> int:
    """Throw away what a shard has now."""
    letters = await log.dead_letters(shard, KEPT)
    return await discard(log, shard, [letter.entry.id for letter in letters], write)


async def _each(step: Step, shard: ShardId, entries: Iterable[StreamId], outcome: str, write: Write) -> int:
    missing = 0
    for entry in entries:
        found = await step(entry)
        missing += not found
        write(f"{shard} {entry} is {outcome if found else 'no dead letter'}\n")
    return 1 if missing else 0


def line(shard: ShardId, letter: log.DeadLetter) -> str:
    """How a dead letter looks."""
    entry = letter.entry
    kinds = {"publication": entry.publication, "ephemeral": entry.ephemeral, "control": entry.control}
    kind = next((name for name, item in kinds.items() if item is not None), "-")
    when = datetime.fromtimestamp(letter.time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    reason = "".join(c if c.isprintable() else "?" for c in letter.reason)
    return _COLUMNS.format(shard, str(entry.id), when, kind, room_of(entry) or "-", reason)


async def command(arguments: Sequence[str], environ: Mapping[str, str], write: Write) -> int:
    """Carry out a command line; returns the exit code. Raises SystemExit for a wrong one, and `WrongSetting`."""
    bounds = LogSettings.from_env(environ)
    wanted = _parser(bounds.shards).parse_args(arguments)
    client = redis.Client(redis.Settings.from_env(environ))
    found = RedisLog(client, Cluster.from_env(environ).key_prefix, bounds.shards, bounds.limits)
    try:
        match wanted.command:
            case "list":
                return await show(found, wanted.limit, write)
            case "replay":
                return await replay(found, wanted.shard, wanted.entries, write)
            case "replay-all":
                return await replay_all(found, write)
            case "discard":
                return await discard(found, wanted.shard, wanted.entries, write)
            case _:
                return await discard_all(found, wanted.shard, write)
    except errors.ChatError as exc:
        write(f"{exc}\n")
        return 1
    finally:
        await client.aclose()


def _shards(log: log.Log) -> list[ShardId]:
    return [ShardId(number) for number in range(log.shards)]


def _parser(shards: int) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m chatcluster.task.deadletters", description="Entries that were set aside.", epilog=_LOSES
    )
    some, one = argparse.ArgumentParser(add_help=False), argparse.ArgumentParser(add_help=False)
    one.add_argument("shard", type=int, choices=range(shards), metavar="SHARD", help=f"0 to {shards - 1}")
    some.add_argument("entries", type=StreamId.parse, nargs="+", metavar="ENTRY", help="as list shows it")
    commands = parser.add_subparsers(dest="command", required=True)
    listing = commands.add_parser("list", help="show them, oldest first")
    listing.add_argument("--limit", type=int, default=100, help="at most so many of each shard (default: 100)")
    commands.add_parser("replay", help="put some of a shard back into dispatch", parents=[one, some])
    commands.add_parser("replay-all", help="put all that there are now back into dispatch")
    commands.add_parser("discard", help="throw some of a shard away", parents=[one, some], description=_LOSES)
    commands.add_parser("discard-all", help="throw all of a shard away", parents=[one], description=_LOSES)
    return parser


def main() -> int:
    """Run as a program."""
    try:
        return asyncio.run(command(sys.argv[1:], os.environ, sys.stdout.write))
    except WrongSetting as wrong:
        sys.stderr.write(f"chatcluster deadletters: {wrong}\n")
        return 2


if __name__ == "__main__":
    sys.exit(main())
