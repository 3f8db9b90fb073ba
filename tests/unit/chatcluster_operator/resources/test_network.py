from typing import Any

import pytest

from chatcluster_operator import names
from chatcluster_operator.names import Manifest
from chatcluster_operator.resources import network
from support import manifests
from support.manifests import EXTERNAL, nested

Flow = tuple[str, str, str]
"""From whom, to whom, and to which port: components, or what `peer` calls the others."""

ANYONE, PODS = "anyone", "any pod"
CLIENTS = {(ANYONE, "api", "7070"), (ANYONE, "connect", "7000"), (ANYONE, "connect", "7001")}
INSIDE = {
    ("api", "logic", "6900"),
    ("connect", "logic", "6900"),
    ("task", "connect", "6912"),
    ("logic", "redis", "6379"),
    ("task", "redis", "6379"),
}
WATCHED = {("synthetic", "api", "7070"), ("synthetic", "connect", "7000")}
"""The ways of the synthetic user, which comes in like any client."""
OURS = ("api", "connect", "logic", "task", "synthetic")
METRICS = {(PODS, program, "9070") for program in OURS}
DNS = {(program, ANYONE, port) for program in OURS for port in ("53/UDP", "53")}
API_SERVER = {(program, ANYONE, port) for program in ("api", "connect", "synthetic") for port in ("443", "6443")}


def peer(found: Manifest) -> str:
    """Return who is meant; a component only if it is of this ChatCluster and namespace."""
    if found == {"namespaceSelector": {}}:
        return PODS
    component = str(found["podSelector"]["matchLabels"][names.COMPONENT])
    assert found == {"podSelector": {"matchLabels": names.selector(manifests.chatcluster(), component)}}
    return component


def port(found: Manifest) -> str:
    """Return a port as text, with its protocol if that is not TCP."""
    protocol = "" if found["protocol"] == "TCP" else f"/{found['protocol']}"
    return f"{found.get('port', 'any')}{protocol}"


def flows(policies: list[Manifest], direction: str) -> set[Flow]:
    """Return what policies let in ("ingress") or out ("egress")."""
    allowed = set[Flow]()
    for policy in policies:
        own = peer({"podSelector": policy["spec"]["podSelector"]})
        for rule in policy["spec"].get(direction, []):
            others = [peer(one) for one in rule.get("from", rule.get("to", []))] or [ANYONE]
            for other in others:
                ends = (other, own) if direction == "ingress" else (own, other)
                allowed |= {(*ends, port(one)) for one in rule["ports"]}
    return allowed


def policies(spec: dict[str, Any] | None = None) -> list[Manifest]:
    """Return the policies of a ChatCluster."""
    return network.policies(manifests.chatcluster(spec))


def test_what_comes_in_is_named() -> None:
    """Clients, the programs among themselves, and whoever scrapes metrics: nothing else, and Redis only its own."""
    assert flows(policies(), "ingress") == CLIENTS | INSIDE | METRICS


def test_what_goes_out_is_named() -> None:
    """The programs among themselves, DNS, and for three of them the API server; Redis speaks to nobody."""
    assert flows(policies(), "egress") == INSIDE | WATCHED | DNS | API_SERVER


def test_every_pod_has_a_policy_for_both_ways() -> None:
    """What no rule names is refused: a policy without rules refuses all."""
    found = {peer({"podSelector": one["spec"]["podSelector"]}): one["spec"]["policyTypes"] for one in policies()}

    assert found == {program: ["Ingress", "Egress"] for program in manifests.PROGRAMS}


def test_tcp_that_is_off_lets_nobody_in() -> None:
    """The gateway itself goes on listening."""
    found = flows(policies(nested("connect.tcp.enabled", False)), "ingress")

    assert CLIENTS - found == {(ANYONE, "connect", "7001")}


def test_an_external_redis_may_be_anywhere() -> None:
    """Its Sentinels and nodes are known to nobody here; there is no policy for a Redis that is not there."""
    found = policies(dict(EXTERNAL))

    assert flows(found, "ingress") == CLIENTS | METRICS | {flow for flow in INSIDE if flow[1] != "redis"}
    assert flows(found, "egress") >= {("logic", ANYONE, "any"), ("task", ANYONE, "any")}
    assert len(found) == len(OURS)


def test_policies_can_be_turned_off() -> None:
    """All of them."""
    assert policies(nested("networkPolicy.enabled", False)) == []


def test_without_an_ingress_there_is_none() -> None:
    """Clients come in by the Services."""
    assert network.ingress(manifests.chatcluster()) is None


def test_an_ingress_leads_to_the_websocket_and_to_rest() -> None:
    """By one host: /ws to the gateways, everything else to api, by ports that the Services have."""
    spec = nested("exposure.ingress", {"host": "chat.example.com", "className": "nginx", "annotations": {"a": "b"}})
    found = network.ingress(manifests.chatcluster(spec))

    assert found
    [rule] = found["spec"]["rules"]
    backends = {path["path"]: path["backend"]["service"] for path in rule["http"]["paths"]}
    assert backends == {
        "/ws": {"name": "demo-connect", "port": {"name": "websocket"}},
        "/": {"name": "demo-api", "port": {"name": "http"}},
    }
    assert {path["pathType"] for path in rule["http"]["paths"]} == {"Prefix"}
    assert (rule["host"], found["spec"]["ingressClassName"]) == ("chat.example.com", "nginx")
    assert (found["metadata"]["name"], found["metadata"]["annotations"]) == ("demo", {"a": "b"})
    services = {name: child for (kind, name), child in manifests.children().items() if kind == "Service"}
    for service in backends.values():
        assert service["port"]["name"] in {port["name"] for port in services[service["name"]]["spec"]["ports"]}


@pytest.mark.parametrize("secret", [None, "certificate"])
def test_tls_is_there_if_there_is_a_certificate(secret: str | None) -> None:
    """For the same host; and a class only if one is named."""
    spec = nested("exposure.ingress", {"host": "a.example.com"} | ({"tlsSecretName": secret} if secret else {}))
    found = network.ingress(manifests.chatcluster(spec))

    assert found
    assert found["spec"].get("tls") == ([{"hosts": ["a.example.com"], "secretName": "certificate"}] if secret else None)
    assert "ingressClassName" not in found["spec"]
