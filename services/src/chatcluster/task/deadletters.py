"""What was set aside, listed and put back: `python -m chatcluster.task.deadletters`.

Owns the command line, and how a dead letter looks on it; what a message says is never shown. Does not own the steps
(the log). It needs no running task, only a task's settings, so it is run where a task could run.

Exit codes: 0, 1 when something was not there or Redis did not answer, 2 for a wrong command or setting.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime

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

Write = Callable[[str], object]


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
    missing = 0
    for entry in entries:
        if await log.replay(shard, entry):
            write(f"{shard} {entry} is in dispatch again\n")
        else:
            missing += 1
            write(f"{shard} {entry} is no dead letter\n")
    return 1 if missing else 0


async def replay_all(log: log.Log, write: Write) -> int:
    """Put back what is there now, in the order in which it was set aside."""
    for shard in _shards(log):
        letters = await log.dead_letters(shard, KEPT)
        await replay(log, shard, [letter.entry.id for letter in letters], write)
    return 0


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
            case _:
                return await replay_all(found, write)
    except errors.ChatError as exc:
        write(f"{exc}\n")
        return 1
    finally:
        await client.aclose()


def _shards(log: log.Log) -> list[ShardId]:
    return [ShardId(number) for number in range(log.shards)]


def _parser(shards: int) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m chatcluster.task.deadletters", description="Entries that were set aside."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    listing = commands.add_parser("list", help="show them, oldest first")
    listing.add_argument("--limit", type=int, default=100, help="at most so many of each shard (default: 100)")
    replaying = commands.add_parser("replay", help="put some of a shard back into dispatch")
    replaying.add_argument("shard", type=int, choices=range(shards), metavar="SHARD", help=f"0 to {shards - 1}")
    replaying.add_argument("entries", type=StreamId.parse, nargs="+", metavar="ENTRY", help="as list shows it")
    commands.add_parser("replay-all", help="put all that there are now back into dispatch")
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
