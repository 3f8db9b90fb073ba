"""`python -m support.cluster`: the test cluster by hand. `make cluster-up` and `make cluster-down` are this."""

import argparse
import signal
import sys
import tempfile
from pathlib import Path

from support.cluster import api_server, images, modules, tools
from support.cluster.cluster import DAEMONS, Cluster, state
from support.cluster.commands import ClusterError


def main() -> None:
    """Do what the arguments say; a refusal is told in one paragraph, with exit code 1."""
    arguments = _arguments()
    try:
        arguments.action(arguments)
    except ClusterError as exc:
        sys.exit(f"cluster: {exc}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m support.cluster", description=__doc__)
    commands = parser.add_subparsers(required=True)
    up = commands.add_parser("up", help="bring the cluster up, with the product's images on it")
    up.add_argument(
        "--api-only", action="store_true", help="kube-apiserver and etcd alone, until Ctrl-C; needs no root"
    )
    up.add_argument("--nodes", type=int, default=0, metavar="N", help="with --api-only: that many simulated nodes")
    up.set_defaults(action=_up)
    up.add_argument("--kubernetes", default=tools.KUBERNETES, metavar="VERSION", help="default: %(default)s")
    down = commands.add_parser("down", help="take the cluster down, with all that it stored")
    down.set_defaults(action=lambda _: Cluster(state()).down())
    status = commands.add_parser("status", help="what of the cluster runs")
    status.set_defaults(action=_status)
    kubeconfig = commands.add_parser("kubeconfig", help="the path of the administrator's kubeconfig")
    kubeconfig.set_defaults(action=lambda _: sys.stdout.write(f"{Cluster(state()).kubeconfig}\n"))
    pin = commands.add_parser("pin", help="write the Go module file for a version of Kubernetes")
    pin.add_argument("version")
    pin.set_defaults(action=lambda arguments: modules.pin(arguments.version))
    return parser.parse_args()


def _up(arguments: argparse.Namespace) -> None:
    tools.build(arguments.kubernetes)
    if arguments.api_only:
        _serve_api(arguments.kubernetes, arguments.nodes)
        return
    cluster = Cluster(state(), arguments.kubernetes)
    cluster.up()
    cluster.keep()
    cluster.load(*map(images.product, images.PRODUCT))
    sys.stdout.write(f"The cluster is up:\n\n  export KUBECONFIG={cluster.kubeconfig}\n")


def _serve_api(version: str, nodes: int) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="chatcluster-api-") as folder,
        api_server.running(Path(folder), version=version, nodes=nodes) as server,
    ):
        sys.stdout.write(f"The API server is up, until Ctrl-C:\n\n  export KUBECONFIG={server.kubeconfig}\n")
        signal.sigwait({signal.SIGINT, signal.SIGTERM})


def _status(_: argparse.Namespace) -> None:
    cluster = Cluster(state())
    for name in ("init", *DAEMONS):
        daemon = cluster.daemon(name)
        life = f"process {daemon.identity.pid}" if daemon.running and daemon.identity else "does not run"
        sys.stdout.write(f"{name:24} {life}\n")
    if not cluster.is_well():
        raise ClusterError("it is not up, or not whole: make cluster-up")


if __name__ == "__main__":
    main()
