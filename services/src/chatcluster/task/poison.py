"""Which entries are set aside instead of being dispatched.

Owns the two reasons: an entry that cannot be decoded, and one that stood alone at the cursor while task after task
died, or got nowhere because Redis failed a step on it. A gateway's failure is never one: a gateway that does not answer
is passed over. Pure.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from google.protobuf.message import DecodeError

from chatcluster.core import errors, ids
from chatcluster.log import log
from chatcluster.v1 import types_pb2 as pb

CAUTION = 2
"""Takeovers in a row at one cursor after which entries are taken one by one, to see which it is."""
GUILT = 5
"""Takeovers in a row at one cursor after which the entry there is set aside."""

UNDECODABLE = "undecodable"
DEADLY = "deadly"


def batch_limit(ownership: log.Ownership, usual: int) -> int:
    """How many entries to read at once while the first entry of this ownership has not been passed."""
    return 1 if ownership.takeovers >= CAUTION else usual


def judge(entries: Iterable[log.Entry]) -> list[log.Entry]:
    """The entries, with a reason in `poison` where one cannot be decoded."""
    return [entry if entry.poison or _is_sound(entry) else replace(entry, poison=UNDECODABLE) for entry in entries]


def condemn(ownership: log.Ownership, entries: Sequence[log.Entry]) -> list[log.Entry]:
    """The first entries of an ownership: the one at the cursor is set aside if it stood there too often."""
    if not entries or ownership.takeovers < GUILT:
        return list(entries)
    return [replace(entries[0], poison=entries[0].poison or DEADLY), *entries[1:]]


def _is_sound(entry: log.Entry) -> bool:
    item = entry.publication or entry.ephemeral or entry.control
    if item is None:
        return False
    try:
        ids.parse_room(item.room)
        if entry.publication is not None:
            pb.Message.FromString(entry.publication.body)
    except (errors.Invalid, DecodeError):
        return False
    return True
