"""Which task should own which shard.

Owns the rule only: highest random weight (rendezvous hashing, Thaler and Ravishankar 1996), so that every task finds
the same answer by itself and the loss of one moves its shards and few others. It need not be obeyed at once: what
makes an owner the owner is the shard's lease. Pure.
"""

from collections.abc import Sequence
from hashlib import blake2b

from chatcluster.core.ids import ShardId


def shards_of(task: str, tasks: Sequence[str], shards: int) -> frozenset[ShardId]:
    """The shards that fall to a task among the living `tasks`; none if it is not among them.

    No task gets more than its even share, rounded up: shards are few, and pure chance would give one task twice as
    many as another. A shard goes to its highest weight that still has room.
    """
    share = -(-shards // len(tasks)) if tasks else 0
    taken = dict.fromkeys(tasks, 0)
    mine = set()
    for shard in range(shards):
        for name in sorted(tasks, key=lambda name: _weight(name, shard), reverse=True):
            if taken[name] < share:
                taken[name] += 1
                mine |= {ShardId(shard)} if name == task else set()
                break
    return frozenset(mine)


def _weight(task: str, shard: int) -> bytes:
    return blake2b(f"{task}\0{shard}".encode(), digest_size=8).digest()
