"""The test cluster itself: what the other tests of this folder stand on."""

import pytest

from support.cluster import images, node
from support.cluster.cluster import Cluster
from support.cluster.commands import ClusterError, run, until
from support.cluster.fixtures import Target
from support.cluster.kubectl import Kubectl, Manifest

SERVER = "import http.server as s; s.ThreadingHTTPServer(('', 8080), s.SimpleHTTPRequestHandler).serve_forever()"
FETCH = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=5).status)"
TALK = "import signal; print('hello', flush=True); signal.pause()"
WITHIN = "--timeout=120s"


def pod(name: str, image: str, *command: str, **spec: object) -> Manifest:
    """Return a pod that Pod Security "restricted" admits, with a read-only root and no service account's token."""
    context = {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    container = {"name": "main", "image": image, "imagePullPolicy": "IfNotPresent", "securityContext": context}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "automountServiceAccountToken": False,
            "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{**container, **({"command": list(command)} if command else {})}],
            "terminationGracePeriodSeconds": 0,
            **spec,
        },
    }


def server(kubectl: Kubectl, name: str) -> None:
    """Run a pod that serves HTTP on port 8080 behind a Service of its name, and wait for it."""
    serving = pod(name, images.DEBIAN, "python3", "-c", SERVER)
    serving["spec"]["containers"][0]["readinessProbe"] = {"httpGet": {"port": 8080}, "periodSeconds": 1}
    ports = [{"port": 80, "targetPort": 8080}]
    service = {"selector": {"app": name}, "ports": ports}
    kubectl.apply(serving, {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": service})
    kubectl("wait", "--for=condition=Ready", f"pod/{name}", WITHIN, within=150)


def answers(kubectl: Kubectl, url: str) -> bool:
    """Whether the pod `web` gets an answer from this address: Services work a moment after their pods are ready."""
    try:
        return kubectl("exec", "web", "--", "python3", "-c", FETCH, url) == "200\n"
    except ClusterError:
        return False


@pytest.fixture(scope="session")
def cluster(own_cluster: Cluster) -> Target:
    """Return our own cluster, with the image that these pods run: it is on no other."""
    own_cluster.load(images.debian())
    return Target(own_cluster.kubeconfig)


def test_a_hardened_pod_runs(namespace: Kubectl) -> None:
    """Pod Security "restricted" is enforced, and a pod that keeps to it gets ready."""
    namespace.apply(pod("hardened", node.PAUSE))

    namespace("wait", "--for=condition=Ready", "pod/hardened", WITHIN, within=150)


def test_names_services_and_endpoints(namespace: Kubectl) -> None:
    """A pod is reached by its Service's name, the EndpointSlice has it as ready, and this machine reaches it too."""
    server(namespace, "web")

    url = f"http://web.{namespace.namespace}.svc.cluster.local/"
    until(lambda: answers(namespace, url), within=30, what=f"answer of {url}")
    (found,) = namespace.get("endpointslices", "", "-l", "kubernetes.io/service-name=web")["items"]
    address = namespace.get("pod", "web")["status"]["podIP"]
    assert [(end["addresses"], end["conditions"]["ready"]) for end in found["endpoints"]] == [([address], True)]
    assert run("python3", "-c", FETCH, f"http://{address}:8080/").strip() == "200"


def test_exec_and_logs(namespace: Kubectl) -> None:
    """What a container writes can be read, and a command runs in it as its user."""
    namespace.apply(pod("talks", images.DEBIAN, "python3", "-c", TALK))
    namespace("wait", "--for=condition=Ready", "pod/talks", WITHIN, within=150)

    assert namespace("logs", "talks") == "hello\n"
    assert namespace("exec", "talks", "--", "id", "-u") == "65532\n"


def test_the_api_server_of_the_pods(namespace: Kubectl) -> None:
    """A pod with a service account's token reaches the API server at the address that its environment has."""
    ask = "import os, socket; socket.create_connection((os.environ['KUBERNETES_SERVICE_HOST'], 443), 5); print('there')"
    namespace.apply(pod("asks", images.DEBIAN, "python3", "-c", TALK, automountServiceAccountToken=True))
    namespace("wait", "--for=condition=Ready", "pod/asks", WITHIN, within=150)

    assert namespace("exec", "asks", "--", "python3", "-c", ask) == "there\n"
    assert namespace("exec", "asks", "--", "ls", "/var/run/secrets/kubernetes.io/serviceaccount") != ""


def test_volumes_grow_and_go(namespace: Kubectl) -> None:
    """A claim gets a volume that its pod's group can write to; it grows with the claim, and goes with it."""
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    data = {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}
    writes = pod("writes", images.DEBIAN, "python3", "-c", f"open('/data/x', 'w').write('x')\n{TALK}", volumes=[data])
    writes["spec"]["securityContext"]["fsGroup"] = 65532
    writes["spec"]["containers"][0]["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]
    namespace.apply(
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"}, "spec": claim}, writes
    )
    namespace("wait", "--for=condition=Ready", "pod/writes", WITHIN, within=150)
    volume = namespace.get("pvc", "data")["spec"]["volumeName"]

    grown = '{"spec": {"resources": {"requests": {"storage": "2Gi"}}}}'
    namespace("patch", "pvc", "data", "--patch", grown)
    namespace("wait", "--for=jsonpath={.status.capacity.storage}=2Gi", "pvc/data", WITHIN, within=150)
    assert namespace("exec", "writes", "--", "cat", "/data/x") == "x"
    namespace("delete", "pod/writes", "pvc/data")
    namespace("wait", "--for=delete", f"pv/{volume}", WITHIN, within=150)


def test_a_killed_kubelet_comes_back(own_cluster: Cluster, namespace: Kubectl) -> None:
    """A process of the cluster can be killed and started again, and pods run on."""
    namespace.apply(pod("lives", node.PAUSE))
    namespace("wait", "--for=condition=Ready", "pod/lives", WITHIN, within=150)
    started = namespace.get("pod", "lives")["status"]["containerStatuses"]

    own_cluster.daemon("kubelet").kill()
    own_cluster.start("kubelet")
    namespace.apply(pod("new", node.PAUSE))
    namespace("wait", "--for=condition=Ready", "pod/new", WITHIN, within=150)

    assert namespace.get("pod", "lives")["status"]["containerStatuses"] == started


def test_what_is_asked_of_the_api_server_is_audited(own_cluster: Cluster, namespace: Kubectl) -> None:
    """Every request stands in the audit log, with who made it."""
    namespace("create", "configmap", "seen")

    line = f'"namespace":"{namespace.namespace}","name":"seen"'
    until(lambda: line in own_cluster.plane.audit_log.read_text(), within=10, what=f"{line} in the audit log")
