"""What a control plane is made of: certificates, kubeconfigs, audit policy, and the command line of each program.

Owns what is the same for the API server alone and for the whole cluster. Does not own how processes are started, nor
when.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from support.cluster import kubeconfigs
from support.cluster.certificates import Authority, Pair
from support.cluster.kubeconfigs import CONTEXT
from support.cluster.tools import kubernetes

SERVICES = "10.96.0.0/16"
"""The addresses of Services; the first is that of the API server inside the cluster."""
PODS = "10.244.0.0/16"
DOMAIN = "cluster.local"
LOOPBACK = "127.0.0.1"

_TESTS = Path(__file__).parent.parent.parent
_ISSUER = f"https://kubernetes.default.svc.{DOMAIN}"
_NAMES = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", f"kubernetes.default.svc.{DOMAIN}")
_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}],
}
_AUDIT_MEGABYTES, _AUDIT_FILES = "200", "2"


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """One control plane: where its files are and what it serves on."""

    folder: Path
    version: str
    address: str
    port: int
    etcd_port: int
    context: str = CONTEXT

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self.kubeconfig_of("admin")

    @property
    def audit_log(self) -> Path:
        """One JSON object a line for each request, at level Metadata; the newest 200 MB."""
        return self.folder / "audit.log"

    @property
    def authority(self) -> Authority:
        """Who vouches for everybody in it."""
        return Authority(self.folder / "certificates")

    def program(self, name: str) -> Path:
        """Where a program of this version is."""
        return kubernetes(name, self.version)

    def kubeconfig_of(self, user: str) -> Path:
        """The kubeconfig of one of those that `prepare` and `enroll` know."""
        return self.folder / f"{user}.kubeconfig"

    def prepare(self) -> None:
        """Write all that its programs read; anew if it was there."""
        (self.folder / "volumes").mkdir()
        self.authority.create()
        addresses = [f"DNS:{name}" for name in _NAMES]
        addresses += [f"IP:{address}" for address in ("127.0.0.1", "10.96.0.1", self.address)]
        self.authority.issue("apiserver", "/CN=kube-apiserver", addresses=addresses)
        self.authority.issue("kubelet-client", "/O=system:masters/CN=kube-apiserver-kubelet-client")
        self.authority.draw("service-accounts")
        self.enroll("admin", "/O=system:masters/CN=chatcluster-test-admin")
        self.enroll("controller-manager", "/CN=system:kube-controller-manager")
        self.enroll("scheduler", "/CN=system:kube-scheduler")
        (self.folder / "audit-policy.json").write_text(json.dumps(_POLICY))

    def enroll(self, user: str, subject: str) -> Path:
        """Give a user a certificate and a kubeconfig."""
        pair = self.authority.issue(user, subject)
        server = f"https://{self.address}:{self.port}"
        return kubeconfigs.write(self.kubeconfig_of(user), server, self.authority.pair, pair, context=self.context)

    def etcd(self) -> list[str]:
        """Where everything is stored. It does not wait for the disk: nothing here outlives the machine."""
        client = f"http://127.0.0.1:{self.etcd_port}"
        return [
            f"{self.program('etcd')}",
            f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            "--listen-peer-urls=http://127.0.0.1:0",
            "--unsafe-no-fsync",
            "--log-level=warn",
        ]

    def apiserver(self, *, bind: str, controllers: bool) -> list[str]:
        """The API server, on one address of the machine; without controllers no pod gets a service account's token."""
        server, kubelet_client = self._pair("apiserver"), self._pair("kubelet-client")
        accounts = self.authority.folder / "service-accounts.key"
        return [
            f"{self.program('kube-apiserver')}",
            f"--etcd-servers=http://127.0.0.1:{self.etcd_port}",
            f"--bind-address={bind}",
            f"--advertise-address={self.address}",
            # From 1.37 on nobody is told an address on loopback, where no pod would find the API server.
            *(["--endpoint-reconciler-type=none"] if self.address == LOOPBACK else []),
            f"--secure-port={self.port}",
            f"--service-cluster-ip-range={SERVICES}",
            f"--tls-cert-file={server.certificate}",
            f"--tls-private-key-file={server.key}",
            f"--client-ca-file={self.authority.pair.certificate}",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            *([] if controllers else ["--disable-admission-plugins=ServiceAccount"]),
            f"--service-account-issuer={_ISSUER}",
            f"--service-account-key-file={accounts}",
            f"--service-account-signing-key-file={accounts}",
            f"--kubelet-client-certificate={kubelet_client.certificate}",
            f"--kubelet-client-key={kubelet_client.key}",
            "--kubelet-preferred-address-types=InternalIP",  # the node's name stands in no DNS
            f"--audit-policy-file={self.folder / 'audit-policy.json'}",
            f"--audit-log-path={self.audit_log}",
            f"--audit-log-maxsize={_AUDIT_MEGABYTES}",
            f"--audit-log-maxbackup={_AUDIT_FILES}",
        ]

    def controller_manager(self) -> list[str]:
        """The controllers: Deployments become pods, Services EndpointSlices, owners take what they own with them."""
        return [
            f"{self.program('kube-controller-manager')}",
            f"--kubeconfig={self.kubeconfig_of('controller-manager')}",
            f"--root-ca-file={self.authority.pair.certificate}",
            f"--service-account-private-key-file={self.authority.folder / 'service-accounts.key'}",
            f"--cluster-signing-cert-file={self.authority.pair.certificate}",
            f"--cluster-signing-key-file={self.authority.pair.key}",
            "--use-service-account-credentials",
            f"--cluster-cidr={PODS}",
            "--leader-elect=false",
            "--secure-port=0",
        ]

    def scheduler(self) -> list[str]:
        """The scheduler."""
        kubeconfig = self.kubeconfig_of("scheduler")
        return [
            f"{self.program('kube-scheduler')}",
            f"--kubeconfig={kubeconfig}",
            "--leader-elect=false",
            "--secure-port=0",
        ]

    def provisioner(self) -> list[str]:
        """Where volumes come from."""
        program = [sys.executable, "-P", "-m", "support.cluster.provisioner"]
        return ["env", f"PYTHONPATH={_TESTS}", *program, f"{self.kubeconfig}", f"{self.folder / 'volumes'}"]

    def _pair(self, name: str) -> Pair:
        return Pair(self.authority.folder / f"{name}.crt", self.authority.folder / f"{name}.key")
