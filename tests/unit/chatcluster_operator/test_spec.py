from typing import Any

import pytest

from chatcluster_operator import errors
from chatcluster_operator.spec import COMPONENTS, Autoscaling, ChatCluster, Managed, Spec
from support import manifests


def test_an_empty_spec_is_all_defaults() -> None:
    """A resource without a spec, with an empty one, and with all parts empty say the same."""
    empty: dict[str, Any] = {"api": {}, "connect": {"websocket": {}}, "redis": {"managed": {}}, "rooms": {}}
    without = {name: value for name, value in manifests.resource().items() if name != "spec"}

    assert ChatCluster.parse(without).spec == Spec()
    assert manifests.chatcluster({}).spec == manifests.chatcluster(empty).spec == Spec()
    assert Spec().redis.managed == Managed()


def test_fields_are_read_by_their_names_in_the_resource() -> None:
    """Names are in camel case, abbreviations in capitals."""
    spec = manifests.chatcluster(
        {
            "connect": {"drainSeconds": 5, "autoscaling": {"maxReplicas": 9, "targetCPUUtilization": 50}},
            "rooms": {"historyTTLSeconds": 60},
            "redis": {"external": {"urlSecretRef": {"name": "redis", "key": "url"}, "mode": "cluster"}},
            "exposure": {
                "ingress": {"host": "chat.example.com", "tlsSecretName": "tls"},
                "websocketURL": "wss://chat.example.com/ws",
                "tcpAddress": "chat.example.com:7001",
            },
        }
    ).spec

    assert spec.connect.drain_seconds == 5
    assert spec.connect.autoscaling == Autoscaling(max_replicas=9, min_replicas=2, target_cpu_utilization=50)
    assert spec.rooms.history_ttl_seconds == 60
    assert spec.redis.managed is None
    assert spec.redis.external is not None
    assert (spec.redis.external.url_secret_ref.key, spec.redis.external.ca_secret_ref) == ("url", None)
    assert spec.exposure.ingress is not None
    assert (spec.exposure.ingress.tls_secret_name, spec.exposure.ingress.class_name) == ("tls", None)
    assert (spec.exposure.websocket_url, spec.exposure.tcp_address) == (
        *("wss://chat.example.com/ws", "chat.example.com:7001"),
    )


def test_quantities_may_be_bare_numbers() -> None:
    """As in a pod, `cpu: 1` is one core."""
    spec = manifests.chatcluster({"api": {"resources": {"requests": {"cpu": 1, "memory": "96Mi"}}}}).spec

    assert spec.api.resources.requests == {"cpu": 1, "memory": "96Mi"}
    assert spec.api.resources.limits == {"memory": "256Mi"}


def test_fields_that_are_not_known_are_left_out() -> None:
    """A resource that a newer operator was given can still be read by the one before it."""
    assert manifests.chatcluster({"new": 1, "api": {"newer": 2}}).spec == Spec()


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"connect": {"drainSeconds": "soon"}}, r"spec\.connect\.drainSeconds"),
        ({"redis": {"external": {}}}, r"urlSecretRef.*spec\.redis\.external"),
        ({"redis": {"managed": {"retention": "Burn"}}}, r"spec\.redis\.managed\.retention"),
        (
            {"api": {"podTemplate": {"env": [{"value": "x"}]}}},
            r"spec\.api\.podTemplate\.env",
        ),
    ],
)
def test_what_cannot_be_read_is_named(spec: dict[str, Any], field: str) -> None:
    """A body that no schema has looked at is refused with the field's path, as its user wrote it."""
    with pytest.raises(errors.InvalidSpec, match=field):
        manifests.chatcluster(spec)


def test_every_component_is_a_program() -> None:
    """What is said of a program is found by its name."""
    spec = manifests.chatcluster({name: {"replicas": number} for number, name in enumerate(COMPONENTS, start=3)}).spec

    assert [spec.program(component).replicas for component in COMPONENTS] == [3, 4, 5, 6]


def test_metadata_tells_what_may_be_done() -> None:
    """A resource is paused by exactly "true"."""
    resource = manifests.resource(generation=7, paused="true")

    assert (ChatCluster.parse(resource).paused, ChatCluster.parse(resource).generation) == (True, 7)
    assert not ChatCluster.parse(manifests.resource(paused="yes")).paused
    assert not ChatCluster.parse(manifests.resource()).paused
