"""The operator as a program: its probes, its settings, its end, and which namespaces it looks at."""

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path

import httpx

from chatcluster_operator import names
from support import operating
from support.eventually import eventually
from support.gate import Gate
from support.operating import Api
from support.system import Process


async def test_it_answers_probes_and_scrapes(kubeconfig: Path, tmp_path: Path) -> None:
    """Ready once everything was listed; metrics say how old each watch's last word is."""
    async with operating.running(kubeconfig, tmp_path) as operator:
        for path, status in (("/healthz", 200), ("/readyz", 200), ("/nothing", 404)):
            assert (await _get(operator, path)).status_code == status
        assert await operator.metric("chat_operator_watch_age_seconds", kind="Deployment") < 60
        assert await operator.metric("chat_operator_build_info") == 1


async def test_it_ends_at_once_when_asked_to(kubeconfig: Path, tmp_path: Path) -> None:
    """SIGTERM: exit code 0, without a traceback."""
    async with operating.running(kubeconfig, tmp_path) as operator:
        assert await asyncio.wait_for(operator.stop(), 15) == 0
        assert "Traceback" not in operator.log.read_text()


async def test_a_wrong_setting_ends_it_with_a_reason() -> None:
    """Exit code 2, and the variable's name with an example."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "chatcluster_operator"),
        env={**os.environ, "CHATCLUSTER_OPERATOR_WORKERS": "many"},
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()

    assert process.returncode == 2
    assert said.decode().startswith("chatcluster-operator: CHATCLUSTER_OPERATOR_WORKERS is 'many', expected")


async def test_it_keeps_to_its_namespaces(kubeconfig: Path, namespaces: Callable[[], str], tmp_path: Path) -> None:
    """What is in others is not its business."""
    mine, other = Api(kubeconfig, namespaces()), Api(kubeconfig, namespaces())
    async with operating.running(kubeconfig, tmp_path, {"CHATCLUSTER_OPERATOR_NAMESPACES": mine.namespace}):
        await other.chatcluster("demo")
        await mine.chatcluster("demo")

        await eventually(lambda: mine.condition("demo", "Ready"), within=30)

        assert "status" not in await other.get(names.KIND, "demo")
    mine.close()
    other.close()


async def test_what_no_watch_told_of_is_seen_all_the_same(
    kubeconfig: Path, namespaces: Callable[[], str], tmp_path: Path
) -> None:
    """The sweep finds a ChatCluster whose events never came."""
    api, gate = Api(kubeconfig, namespaces()), Gate(kubeconfig, tmp_path)
    gate.deaf = f"/{names.PLURAL}"
    environ = {"CHATCLUSTER_OPERATOR_NAMESPACES": api.namespace, "CHATCLUSTER_OPERATOR_RESYNC_SECONDS": "2"}
    async with gate.open(), operating.running(gate.kubeconfig, tmp_path, environ):
        await api.chatcluster("demo")

        await eventually(lambda: api.condition("demo", "Ready"), within=30)
    api.close()


async def test_a_secret_that_changes_is_seen_all_the_same(account_kubeconfig: Path, api: Api, tmp_path: Path) -> None:
    """Secrets are never watched: the next sweep reads them, of a ChatCluster too to which there was nothing to do."""
    environ = {"CHATCLUSTER_OPERATOR_NAMESPACES": api.namespace, "CHATCLUSTER_OPERATOR_RESYNC_SECONDS": "2"}
    external = {"urlSecretRef": {"name": "redis", "key": "url"}}
    await api.apply("Secret", "redis", stringData={"url": "redis://here:6379/0"})
    async with operating.running(account_kubeconfig, tmp_path, environ) as operator:
        await api.chatcluster("demo", {"redis": {"external": external}})
        await eventually(lambda: _is_ready(api), within=60, every=0.1)
        await operating.quiet(operator, every=0.5)
        before = await _secrets_hash(api)

        await api.apply("Secret", "redis", stringData={"url": "redis://there:6379/0"})

        await eventually(lambda: _is_another(api, before), within=12, every=0.1)


async def _is_ready(api: Api) -> bool:
    await operating.play_controllers(api, "demo")
    return bool((await api.condition("demo", "Ready")).get("status") == "True")


async def _secrets_hash(api: Api) -> str:
    live = await api.get("Deployment", "demo-task")
    return str(live["spec"]["template"]["metadata"]["annotations"][names.SECRETS_HASH])


async def _is_another(api: Api, digest: str) -> bool:
    return await _secrets_hash(api) != digest


async def _get(operator: Process, path: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.get(f"http://127.0.0.1:{operator.ports['health']}{path}")
