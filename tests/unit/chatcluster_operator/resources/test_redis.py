import subprocess
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from chatcluster_operator import names, quantities
from chatcluster_operator.names import Manifest
from chatcluster_operator.resources import redis
from chatcluster_operator.resources.context import Context
from chatcluster_operator.spec import ChatCluster, Managed
from support import manifests
from support.manifests import CONTEXT, nested


def managed(cluster: ChatCluster) -> Managed:
    """Return what the spec says of it."""
    found = cluster.spec.redis.managed
    assert found
    return found


def data(**fields: Any) -> dict[str, str]:
    """Return the files of the ConfigMap."""
    cluster = manifests.chatcluster(nested("redis.managed", fields))
    found: dict[str, str] = redis.configuration(cluster, managed(cluster))["data"]
    return found


def settings(**fields: Any) -> dict[str, str]:
    """Return redis.conf."""
    lines = data(**fields)["redis.conf"].splitlines()
    return dict(line.split(" ", 1) for line in lines)


def stateful_set(context: Context = CONTEXT, **fields: Any) -> Manifest:
    """Return the StatefulSet."""
    cluster = manifests.chatcluster(nested("redis.managed", fields))
    return redis.stateful_set(cluster, managed(cluster), context)


def container(context: Context = CONTEXT, **fields: Any) -> Any:
    """Return its only container."""
    [found] = stateful_set(context, **fields)["spec"]["template"]["spec"]["containers"]
    return found


def annotations(context: Context = CONTEXT, **fields: Any) -> Any:
    """Return the annotations of its pod."""
    return stateful_set(context, **fields)["spec"]["template"]["metadata"]["annotations"]


def test_every_write_goes_to_the_file_and_nothing_is_thrown_away() -> None:
    """Redis is where acknowledged messages are: it never evicts, and its snapshots are not wanted beside the file."""
    assert (
        settings().items()
        >= {
            "port": "6379",
            "dir": "/data",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "maxmemory-policy": "noeviction",
            "save": '""',
            "protected-mode": "no",
        }.items()
    )
    assert settings(appendfsync="always")["appendfsync"] == "always"


@pytest.mark.parametrize(("limit", "kept"), [("512Mi", 2**29), ("1Gi", 2**30), ("1000M", 10**9), (2**30, 2**30)])
def test_memory_follows_from_the_limit(limit: object, kept: int) -> None:
    """The rest is for connections, and for the pages that change while the file is written anew."""
    found = int(settings(resources={"limits": {"memory": limit}})["maxmemory"])

    assert found == int(kept * redis.MAXMEMORY)
    assert Decimal("0.5") <= redis.MAXMEMORY <= Decimal("0.7")


def test_without_a_limit_there_is_no_bound_to_take_a_part_of() -> None:
    """Whoever wants that has said so."""
    assert "maxmemory" not in settings(resources={"requests": {}, "limits": {}})


def test_the_password_is_read_from_a_file_by_all() -> None:
    """The server includes it, the client is told by a variable that only its own shell has: no argument shows it."""
    [included] = [value for name, value in settings().items() if name == "include"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container()["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in stateful_set()["spec"]["template"]["spec"]["volumes"]}

    assert included == f"{mounts['secrets']}/auth.conf"
    assert f'REDISCLI_AUTH="$(cat {mounts["secrets"]}/password)"' in data()["ask.sh"]
    assert volumes["secrets"]["secret"]["items"] == [
        {"key": "password", "path": "password"},
        {"key": "auth.conf", "path": "auth.conf"},
    ]
    assert "env" not in container()


@pytest.mark.process
@pytest.mark.parametrize("script", ["start.sh", "ask.sh", "started.sh"])
def test_scripts_are_scripts_of_any_shell(script: str, tmp_path: Path) -> None:
    """Images differ in what their sh is; the smallest there is must take them."""
    path = tmp_path / script
    path.write_text(data()[script])

    ran = subprocess.run(["/bin/sh", "-n", path], capture_output=True, check=False)  # noqa: S603 - it only reads it

    assert (ran.returncode, ran.stderr) == (0, b"")


def test_the_container_runs_what_is_mounted() -> None:
    """Every script that a command names is a file of the ConfigMap, where the mount puts it."""
    mounts = {mount["name"]: mount["mountPath"] for mount in container()["volumeMounts"]}
    commands = [
        container()["command"],
        container()["lifecycle"]["postStart"]["exec"]["command"],
        container()["readinessProbe"]["exec"]["command"],
    ]

    files = {f"{mounts['configuration']}/{name}" for name in data()}
    named = {word for command in commands for part in command for word in part.split() if word.startswith("/")}
    assert {word for word in named if word.endswith(".sh")} <= files
    assert all(any(name in " ".join(command) for name in data()) for command in commands)


def test_probes_wait_for_a_long_file() -> None:
    """A server that loads its file listens, answers nobody, and must not be killed for it; ready is who answers."""
    found = container()

    for probe in (found["startupProbe"], found["livenessProbe"]):
        assert probe["tcpSocket"] == {"port": "redis"}
    assert "PONG" in found["readinessProbe"]["exec"]["command"][-1]
    assert found["ports"] == [{"name": "redis", "containerPort": names.PORTS["redis"], "protocol": "TCP"}]


@pytest.mark.parametrize(
    ("operators", "specs", "runs"),
    [
        ("", None, Managed().image),
        ("", "mine:7", "mine:7"),
        ("operators:9", None, "operators:9"),
        ("operators:9", "mine:7", "mine:7"),
    ],
)
def test_the_image_is_the_specs_before_the_operators(operators: str, specs: str | None, runs: str) -> None:
    """The operator's stands only in place of the schema's default."""
    fields = {"image": specs} if specs else {}

    assert container(replace(CONTEXT, redis_image=operators), **fields)["image"] == runs


def test_a_changed_setting_restarts_it() -> None:
    """It reads its file only once."""
    name = names.CONFIGURATION_HASH

    assert annotations()[name] != annotations(appendfsync="always")[name]
    assert annotations()[name] != annotations(resources={"limits": {"memory": "1Gi"}})[name]
    assert annotations()[name] == annotations(storage={"size": "2Gi"})[name] == annotations(retention="Delete")[name]


def test_a_comment_restarts_nobody() -> None:
    """A better word in a script is no reason to close every connection."""
    scripts = [f"# {words}.\nexec server # what it is\n" for words in ("A word", "A better word")]
    one, other = ({"data": {"start.sh": script}} for script in scripts)

    assert redis._read_at_start(one) == redis._read_at_start(other) == {"start.sh": "exec server # what it is\n"}


def test_a_new_password_restarts_it() -> None:
    """It reads that only once, too."""
    secrets = replace(CONTEXT.secrets, redis="new")

    assert annotations(replace(CONTEXT, secrets=secrets)) == {**annotations(), names.SECRETS_HASH: "new"}


def test_the_volume_is_the_specs() -> None:
    """Size and class; the cluster's default class where none is named."""
    [claim] = stateful_set(storage={"size": "5Gi", "storageClassName": "fast"})["spec"]["volumeClaimTemplates"]
    [default] = stateful_set()["spec"]["volumeClaimTemplates"]

    assert claim["spec"]["resources"] == {"requests": {"storage": "5Gi"}}
    assert claim["spec"]["storageClassName"] == "fast"
    assert "storageClassName" not in default["spec"]
    assert quantities.number(default["spec"]["resources"]["requests"]["storage"]) == 2**30


@pytest.mark.parametrize("retention", ["Retain", "Delete"])
def test_the_volume_never_goes_with_its_set(retention: str) -> None:
    """Whoever deletes the set by hand, or scales it down, does not lose what was said in the ChatCluster."""
    policy = stateful_set(retention=retention)["spec"]["persistentVolumeClaimRetentionPolicy"]

    assert policy == {"whenDeleted": "Retain", "whenScaled": "Retain"}


def test_the_claim_has_the_name_that_kubernetes_gives_it() -> None:
    """Of the template, the set and the number of its pod."""
    cluster = manifests.chatcluster()
    found = stateful_set()
    [template] = found["spec"]["volumeClaimTemplates"]

    assert redis.claim_name(cluster) == f"{template['metadata']['name']}-{found['metadata']['name']}-0"
    assert [mount["mountPath"] for mount in container()["volumeMounts"] if mount["name"] == redis.VOLUME] == ["/data"]
    assert manifests.claim(found)["metadata"]["name"] == redis.claim_name(cluster)


def test_there_is_one_server() -> None:
    """Found by the selector alone, and given the time to write out what it has."""
    spec = stateful_set()["spec"]

    assert spec["replicas"] == 1
    assert spec["selector"] == {"matchLabels": names.selector(manifests.chatcluster(), "redis")}
    assert spec["template"]["spec"]["terminationGracePeriodSeconds"] >= 30
