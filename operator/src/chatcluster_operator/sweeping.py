"""Looking at every ChatCluster once in a while, whether or not anything is known to have happened.

Owns the interval. What any watch missed, kopf's or ours, costs no more than that.
"""

import asyncio
from collections.abc import Callable, Sequence

import structlog

from chatcluster_operator import errors, kinds, kube
from chatcluster_operator.watching import Owner

PAUSE = 2.0
"""Seconds until the API server is asked again whether it knows ChatClusters."""

_log = structlog.get_logger()


async def sweep(server: kube.Kube, namespaces: Sequence[str], wake: Callable[[Owner], None], interval: float) -> None:
    """Wake all ChatClusters of these namespaces, of all if there are none, every `interval` seconds, for ever."""
    places: Sequence[str | None] = namespaces or (None,)
    while True:
        await asyncio.sleep(interval)
        for place in places:
            try:
                found = await server.everything(kinds.CHATCLUSTER, place)
            except errors.OperatorError as exc:
                _log.warning("sweep_failed", namespace=place, error=str(exc))
                continue
            for body in found:
                wake((body["metadata"]["namespace"], body["metadata"]["name"]))


async def served(server: kube.Kube, namespaces: Sequence[str]) -> None:
    """Wait until ChatClusters can be listed: kopf looks once, at its start, which kinds there are."""
    while True:
        try:
            await server.everything(kinds.CHATCLUSTER, namespaces[0] if namespaces else None)
        except errors.OperatorError as exc:
            _log.warning("chatclusters_not_served", error=str(exc))
            await asyncio.sleep(PAUSE)
        else:
            return
