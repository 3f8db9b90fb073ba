"""The one node: what its programs are configured with and started by.

Owns containerd, the kubelet, kube-proxy and CoreDNS, as texts and command lines. Does not own their processes, nor the
control plane's.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from support.cluster import tools
from support.cluster.control_plane import DOMAIN, PODS, ControlPlane

NAME = "chatcluster-test"
DNS = "10.96.0.10"
"""The cluster's name server, as a Service like everywhere; behind it is CoreDNS on the node itself."""
SOCKET = "/run/containerd/containerd.sock"
PAUSE = "docker.io/chatcluster-test/pause:1"
"""The image of the container that holds a pod's namespaces."""
PODS_MAX = 110

_NODE_PODS = "10.244.0.0/24"
_CNI_PROGRAMS = "/usr/lib/cni"
_UNTOUCHED = {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"}


@dataclass(frozen=True, slots=True)
class Node:
    """The node; its files are in the control plane's folder, and it has the address that the control plane has."""

    plane: ControlPlane
    group: str
    """The control group for its pods."""

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return self.plane.folder

    def prepare(self) -> None:
        """Write all that its programs read."""
        self.plane.enroll("kubelet", f"/O=system:nodes/CN=system:node:{NAME}")
        self.plane.enroll("kube-proxy", "/CN=system:kube-proxy")
        networks = self.folder / "cni"
        networks.mkdir(exist_ok=True)
        (networks / "bridge.conflist").write_text(json.dumps(_network()))
        (self.folder / "containerd.toml").write_text(_containerd(self.folder))
        (self.folder / "kubelet.json").write_text(json.dumps(self._kubelet()))
        (self.folder / "kube-proxy.json").write_text(json.dumps(self._proxy()))
        (self.folder / "resolv.conf").write_text("# The pods reach nothing outside of the cluster.\n")
        (self.folder / "Corefile").write_text(_corefile(self.plane))

    def containerd(self) -> list[str]:
        """What runs containers."""
        return ["containerd", f"--config={self.folder / 'containerd.toml'}"]

    def kubelet(self) -> list[str]:
        """What runs pods."""
        return [
            f"{self.plane.program('kubelet')}",
            f"--config={self.folder / 'kubelet.json'}",
            f"--kubeconfig={self.plane.kubeconfig_of('kubelet')}",
            f"--hostname-override={NAME}",
            f"--node-ip={self.plane.address}",
        ]

    def proxy(self) -> list[str]:
        """What makes Services' addresses work."""
        return [f"{self.plane.program('kube-proxy')}", f"--config={self.folder / 'kube-proxy.json'}"]

    def coredns(self) -> list[str]:
        """What resolves Services' names."""
        return [f"{tools.program(tools.COREDNS)}", f"-conf={self.folder / 'Corefile'}"]

    def _kubelet(self) -> dict[str, object]:
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": self.plane.address,
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": f"{self.plane.authority.pair.certificate}"},
            },
            "authorization": {"mode": "Webhook"},
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{self.group}",
            "clusterDNS": [DNS],
            "clusterDomain": DOMAIN,
            "containerRuntimeEndpoint": f"unix://{SOCKET}",
            # A disk that is nearly full is the machine's owner's business, not a reason to evict what is tested.
            "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
            "failCgroupV1": False,
            "failSwapOn": False,
            # It lives without the right to change the machine's limits, which are the machine's.
            "featureGates": {"KubeletInUserNamespace": True},
            "imageGCHighThresholdPercent": 100,
            "localStorageCapacityIsolation": False,
            "makeIPTablesUtilChains": False,
            "maxPods": PODS_MAX,
            "resolvConf": f"{self.folder / 'resolv.conf'}",
            "volumePluginDir": f"{self.folder / 'volume-plugins'}",
        }

    def _proxy(self) -> dict[str, object]:
        return {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "clientConnection": {"kubeconfig": f"{self.plane.kubeconfig_of('kube-proxy')}"},
            "mode": "iptables",
            "clusterCIDR": PODS,
            "hostnameOverride": NAME,
            "conntrack": _UNTOUCHED,
        }


def _network() -> dict[str, object]:
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "ipMasq": True,
        "hairpinMode": True,
        "ipam": {"type": "host-local", "ranges": [[{"subnet": _NODE_PODS}]], "routes": [{"dst": "0.0.0.0/0"}]},
    }
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "0.4.0", "name": "chatcluster-test", "plugins": [bridge, ports]}


def _containerd(folder: Path) -> str:
    return f"""\
version = 2
root = "{folder}/containerd"
state = "/run/containerd"

[grpc]
  address = "{SOCKET}"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  restrict_oom_score_adj = true
  tolerate_missing_hugetlb_controller = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{_CNI_PROGRAMS}"
    conf_dir = "{folder}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
"""


def _corefile(plane: ControlPlane) -> str:
    return f"""\
.:53 {{
    bind {plane.address}
    errors
    ready 127.0.0.1:8181
    kubernetes {DOMAIN} in-addr.arpa {{
        kubeconfig {plane.kubeconfig}
        pods verified
        ttl 5
    }}
    reload
}}
"""
