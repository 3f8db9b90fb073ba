"""A room's presence, put together from what each gateway says.

Owns how the reports of several gateways become one count and one list of members, and by what it is told whether that
changed. Knows neither leases nor storage: it is given the reports that count.
"""

import hashlib
from collections.abc import Iterable, Sequence

from chatcluster.core.ids import RoomName
from chatcluster.presence import presence
from chatcluster.v1 import logic_pb2, types_pb2 as pb

PUSH_INTERVAL = 1.0
"""Seconds between two pushes of a room's presence."""
FORGET_AFTER = 1200.0
"""Seconds after which a report that was not repeated is forgotten; gateways repeat theirs every 5 minutes."""


def combine(room: RoomName, reports: Sequence[logic_pb2.GatewayPresence]) -> pb.RoomPresence:
    """One room over all gateways; of each gateway one report, in any order."""
    users = _users(reports)
    names = {member.user_id: member.user_name for report in reports for member in report.members}
    members = [pb.Member(user_id=user, user_name=names[user]) for user in sorted(names)[: presence.MEMBERS_SHOWN]]
    count = sum(report.count for report in reports) if users is None else len(users)
    return pb.RoomPresence(room=room, count=count, members=members)


def _users(reports: Iterable[logic_pb2.GatewayPresence]) -> set[int] | None:
    """The distinct users; None when a gateway did not list all of its own, or when they are too many to be exact."""
    users: set[int] = set()
    for report in reports:
        users.update(report.user_ids)
        if len(report.user_ids) != report.count or len(users) > presence.EXACT_COUNT:
            return None
    return users


def digest(found: pb.RoomPresence) -> str:
    """Stands for everything that a push would show; empty for an empty room, as for one that never was pushed."""
    if not found.count:
        return ""
    return hashlib.blake2b(found.SerializeToString(deterministic=True), digest_size=12).hexdigest()
