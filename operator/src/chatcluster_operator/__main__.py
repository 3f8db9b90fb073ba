"""The operator as a program: `python -m chatcluster_operator`."""

import asyncio
import contextlib
import datetime as dt
import json
import os
import random
import secrets
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import kubernetes
import structlog
import uvloop

import chatcluster_operator
from chatcluster_operator import handlers, health, kube, settings, telemetry
from chatcluster_operator.reconcile import Reconciler, Surroundings
from chatcluster_operator.settings import Settings
from chatcluster_operator.sweeping import served, sweep
from chatcluster_operator.watching import Owner, Store, Watches
from chatcluster_operator.workqueue import WorkQueue

STALE = 120.0
"""Seconds of silence of a watch after which the operator is not ready: it has been made anew by then, or cannot be."""

GRACE = 5.0
"""Seconds for kopf to end; nothing is lost when it does not."""

_log = structlog.get_logger()


async def main(given: Settings) -> int:
    """Reconcile until SIGTERM; the exit code."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    queue = WorkQueue[Owner](lambda delay: delay * random.uniform(0.9, 1.1))  # noqa: S311 - jitter
    server = kube.ApiServer(_configuration(), given.workers)
    store = Store(queue.wake)
    watches = Watches(server, store, given.namespaces, given.resync)
    reconciler = Reconciler(server, store, _surroundings(given))
    serving = await health.serve(given.health_host, given.health_port, lambda: _problem(watches, queue))
    follower = handlers.Follower(
        given.namespaces,
        wake=lambda owner: _in_loop(loop, lambda: queue.wake(owner)),
        ended=lambda: _in_loop(loop, stopping.set),
    )
    watches.start()
    await _first(watches.complete(), stopping.wait())
    workers = [asyncio.create_task(queue.work(reconciler.look)) for _ in range(given.workers)]
    workers.append(asyncio.create_task(sweep(server, given.namespaces, queue.wake, given.resync)))
    await _first(served(server, given.namespaces), stopping.wait())
    follower.start()
    _report(given.report_file, serving.addresses[0][1])
    _log.info("operating", namespaces=given.namespaces or "all", image=given.image)
    await _first(stopping.wait(), *workers)
    code = 0 if stopping.is_set() and not follower.failed else 1
    await _cancelled(workers)
    await asyncio.to_thread(follower.stop, GRACE)
    await serving.cleanup()
    server.close()
    return code


def _in_loop(loop: asyncio.AbstractEventLoop, step: Callable[[], None]) -> None:
    """From another thread; nothing when the loop has ended."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(step)


async def _cancelled(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, Exception):  # one that was cancelled is none
            _log.error("task_failed", exc_info=outcome)


def _report(path: str, port: int) -> None:
    """In one step: whoever waits for the file never reads half of it."""
    if path:
        partial = Path(f"{path}.partial")
        partial.write_text(json.dumps({"pid": os.getpid(), "health": port}))
        partial.replace(path)


async def _first(*steps: Awaitable[object]) -> None:
    """Wait for one of them, and give the others up."""
    tasks = [asyncio.ensure_future(step) for step in steps]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()


def _problem(watches: Watches, queue: WorkQueue[Owner]) -> str:
    telemetry.QUEUE_DEPTH.set(len(queue))
    age = watches.oldest()  # told also while nothing was listed: who never gets so far has an alert by it
    if not watches.is_complete:
        return "not everything was listed yet"
    return f"a watch has been silent for {age:.0f} s" if age > STALE else ""


def _configuration() -> kubernetes.client.Configuration:
    configuration = kubernetes.client.Configuration()
    try:
        kubernetes.config.load_incluster_config(configuration)
    except kubernetes.config.ConfigException:
        kubernetes.config.load_kube_config(client_configuration=configuration)
    return configuration


def _surroundings(given: Settings) -> Surroundings:
    return Surroundings(
        image=given.image,
        redis_image=given.redis_image,
        is_confined=bool(given.namespaces),
        now=lambda: dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        draw=lambda: secrets.token_urlsafe(32),
    )


def run() -> None:
    """Run to the end; exit code 1 when a part of it failed, 2 for a wrong setting."""
    version = chatcluster_operator.__version__
    try:
        given = Settings.from_env(os.environ, version)
    except settings.WrongSetting as exc:
        sys.stderr.write(f"chatcluster-operator: {exc}\n")
        sys.exit(2)
    telemetry.setup(version, given.log_level)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        code = runner.run(main(given))
    sys.exit(code)


if __name__ == "__main__":
    run()
