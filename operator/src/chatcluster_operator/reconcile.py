"""One look at a ChatCluster: observe, decide, act, report.

Owns the order of the four, and nothing of each. It is level-based: whatever the reason to look, it sees what is there
and what should be there, and never what happened.

What is done follows from what is there. So where nothing was to do, nothing is decided anew until something has another
version: looking at a ChatCluster that is well costs its reading.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from chatcluster_operator import (
    claims,
    credentials,
    delivering,
    desired,
    errors,
    events,
    kinds,
    kube,
    names,
    observed,
    plan,
    rollout,
    scaling,
    status,
    telemetry,
)
from chatcluster_operator.acting import Actor
from chatcluster_operator.names import Manifest
from chatcluster_operator.observed import Observed
from chatcluster_operator.resources import context, redis
from chatcluster_operator.spec import ChatCluster
from chatcluster_operator.watching import Owner, Store

_log = structlog.get_logger()


class Unfinished(Exception):
    """Something could not be done: look again soon. It was told of already."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is the same for every ChatCluster."""

    image: str
    """Of the programs, where the spec names none."""
    redis_image: str
    """Of the managed Redis, instead of the schema's default; empty: that default."""
    is_confined: bool
    """To namespaces: what belongs to none cannot be read then."""
    now: Callable[[], str]
    """The time in RFC 3339, in UTC."""
    draw: credentials.Draw


@dataclass(frozen=True, slots=True)
class _State:
    """What is there of a ChatCluster, by versions: of the resource, of its children and pods, and the digests.

    And the one thing that time changes alone.
    """

    resource: str
    seen: frozenset[str]
    unknown_storage_class: str
    is_out_of_patience: bool
    secrets: context.Secrets | errors.OperatorError


class Reconciler:
    """Looks at ChatClusters."""

    def __init__(self, server: kube.Kube, store: Store, surroundings: Surroundings) -> None:
        self._server = server
        self._store = store
        self._surroundings = surroundings
        self._settled = dict[Owner, _State]()
        """Of the ChatClusters to which nothing was to do, what was there then."""

    async def look(self, owner: Owner) -> None:
        """Make the cluster what its resource says, as far as that can be done now, and say in its status how far it is.

        Does nothing when it is gone or going: the garbage collector does the rest. Raises `Unfinished`, or whatever a
        mistake in here raises; of either it has told.
        """
        labels = {"namespace": owner[0], "chatcluster": owner[1]}
        with structlog.contextvars.bound_contextvars(**labels), telemetry.RECONCILE_SECONDS.time():
            try:
                await self._look(owner)
            except errors.OperatorError as exc:
                telemetry.RECONCILES_TOTAL.labels("failed").inc()
                _log.warning("reconcile_failed", reason=exc.reason, error=str(exc))
                raise Unfinished(str(exc)) from exc
            except Exception:
                telemetry.RECONCILES_TOTAL.labels("crashed").inc()
                _log.exception("reconcile_crashed")
                raise

    async def _look(self, owner: Owner) -> None:
        # A stranger's pod may carry our name, and none of a ChatCluster.
        body = await self._server.get(kinds.CHATCLUSTER, *owner) if all(owner) else None
        if body is None or observed.is_going(body):
            self._settled.pop(owner, None)
        else:
            await self._reconcile(owner, body)

    async def _reconcile(self, owner: Owner, body: Manifest) -> None:
        before = body.get("status", {})
        try:
            cluster = ChatCluster.parse(body)
        except errors.InvalidSpec as exc:
            await self._report(body, status.of_invalid(body, exc, before, self._surroundings.now()))
            telemetry.RECONCILES_TOTAL.labels("invalid").inc()
            return
        seen, secrets = await self._observe(cluster, before), await self._secrets(cluster)
        version = body["metadata"]["resourceVersion"]
        state = _State(version, seen.versions(), seen.unknown_storage_class, seen.is_out_of_patience, secrets)
        if self._settled.get(owner) != state:
            self._settled.pop(owner, None)
            view, actions = await self._converge(cluster, seen, secrets)
            await self._report(body, status.status(view, before, self._surroundings.now()))
            _log.info("reconciled", generation=cluster.generation, actions=actions, failures=len(view.failures))
            if view.failures:
                raise view.failures[0]
            if not actions:
                self._settled[owner] = state
        telemetry.RECONCILES_TOTAL.labels("paused" if cluster.paused else "ok").inc()

    async def _secrets(self, cluster: ChatCluster) -> context.Secrets | errors.OperatorError:
        try:
            return await credentials.secrets(self._server, cluster, self._surroundings.draw)
        except (errors.MissingSecret, errors.Foreign, errors.Rejected, errors.Forbidden) as exc:
            return exc

    async def _converge(
        self, cluster: ChatCluster, seen: Observed, secrets: context.Secrets | errors.OperatorError
    ) -> tuple[status.View, int]:
        """Do what is to do; how many actions that is, whether or not they were done."""
        around, image = self._surroundings, cluster.spec.image or self._surroundings.image
        if isinstance(secrets, errors.OperatorError):
            return status.View(cluster, (), seen, failures=[secrets], image=image), 0
        wanted = desired.children(
            cluster, context.Context(around.image, around.redis_image, secrets, scaling.kept(cluster, seen))
        )
        actions = [*plan.plan(rollout.gated(cluster, wanted, seen), seen), *claims.ownership(cluster, seen.claim)]
        failures = [] if cluster.paused else await Actor(self._server, cluster).act(actions)
        return status.View(cluster, wanted, seen, plan.pending(actions), failures, image), len(actions)

    async def _observe(self, cluster: ChatCluster, before: Mapping[str, Any]) -> Observed:
        owner = cluster.namespace, cluster.name
        children = (found for found in self._store.of(owner, kinds.CHILDREN) if names.owned_by(cluster, found))
        seen = list(self._store.of(owner, kinds.SEEN))
        claim = next((found for found in seen if found["metadata"]["name"] == redis.claim_name(cluster)), None)
        return Observed(
            children={observed.key_of(child): child for child in children},
            pods=tuple(found for found in seen if found["kind"] == "Pod"),
            claim=claim,
            unknown_storage_class=await self._unknown_storage_class(claim),
            is_out_of_patience=delivering.is_out_of_patience(
                before.get("conditions", []),
                self._surroundings.now(),
                cluster.spec.monitoring.synthetic_user.interval_seconds,
            ),
        )

    async def _unknown_storage_class(self, claim: Manifest | None) -> str:
        name = (claim or {}).get("spec", {}).get("storageClassName")
        is_bound = claim is None or claim.get("status", {}).get("phase") == "Bound"
        if is_bound or not name or self._surroundings.is_confined:
            return ""
        return "" if await self._server.get(kinds.STORAGE_CLASS, None, name) else str(name)

    async def _report(self, body: Manifest, said: dict[str, Any]) -> None:
        """Write the status if it says anything new, and tell of what has changed for a person who watches."""
        before = body.get("status", {})
        if said == before:
            return
        metadata = {"name": body["metadata"]["name"], "namespace": body["metadata"]["namespace"]}
        patch = {"apiVersion": names.API_VERSION, "kind": names.KIND, "metadata": metadata, "status": said}
        await self._server.apply(patch, subresource="status")
        await self._tell(events.transitions(body, before, said, self._surroundings.now()))

    async def _tell(self, told: Iterable[Manifest]) -> None:
        for event in told:
            try:
                await self._server.create(event)
            except errors.OperatorError as exc:
                _log.warning("event_not_told", error=str(exc))  # an event is a courtesy: nothing waits for it
