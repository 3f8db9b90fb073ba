"""What a whole cluster holds from the start: the name server's Service, and a default StorageClass.

Owns these objects. Does not own the program behind the StorageClass: `provisioner`.
"""

from support.cluster.kubectl import Manifest
from support.cluster.node import DNS

STORAGE_CLASS = "chatcluster-test"
PROVISIONER = "chatcluster.io/test-volumes"


def all_of_them(address: str) -> list[Manifest]:
    """Return what is applied once, as soon as the API server is ready; the name server is at this address."""
    return [storage_class(), *_name_server(address)]


def storage_class() -> Manifest:
    """Return the default StorageClass, whose volumes can grow."""
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": STORAGE_CLASS,
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": PROVISIONER,
        "volumeBindingMode": "WaitForFirstConsumer",
        "reclaimPolicy": "Delete",
        "allowVolumeExpansion": True,
    }


def _name_server(address: str) -> list[Manifest]:
    ports = [{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53, "protocol": "TCP"}]
    metadata = {"name": "kube-dns", "namespace": "kube-system", "labels": {"k8s-app": "kube-dns"}}
    service = {"clusterIP": DNS, "ports": ports}
    owned = {**metadata, "labels": {"kubernetes.io/service-name": "kube-dns"}}
    endpoints = [{"addresses": [address], "conditions": {"ready": True}}]
    return [
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": service},
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": owned,
            "addressType": "IPv4",
            "ports": ports,
            "endpoints": endpoints,
        },
    ]
