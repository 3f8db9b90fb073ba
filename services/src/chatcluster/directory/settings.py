"""What the directory over Kubernetes is set up by.

Owns the variables CHATCLUSTER_DIRECTORY_<part>_SERVICE, _NAMESPACE and _ACCOUNT, and what every pod is told about its
API server. Does not own whether Kubernetes is asked at all (choice).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from chatcluster.core.environment import PREFIX, Environment, WrongSetting
from chatcluster.directory import apiserver

ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
"""Where a pod finds its service account."""

_LABEL = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
_SERVICE = re.compile(f"({_LABEL}):([a-z0-9](?:[-a-z0-9]{{0,13}}[a-z0-9])?)")


@dataclass(frozen=True, slots=True)
class Settings:
    """Which endpoints, and where the API server is."""

    target: apiserver.Target
    port: str
    """The Service's port, by name."""
    account: apiserver.Account
    staying: bool = False
    """Which endpoints: those that serve, or those that do not terminate."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str], part: str, *, staying: bool = False) -> Self:
        """Read CHATCLUSTER_DIRECTORY_<part>_SERVICE (<service>:<name of its port>) and CHATCLUSTER_DIRECTORY_NAMESPACE
        (default: the pod's own); CHATCLUSTER_DIRECTORY_ACCOUNT is the folder of the service account. Where the API
        server is stands in KUBERNETES_SERVICE_HOST and _PORT, as in every pod. Raises `WrongSetting`.
        """
        environment = Environment(environ)
        name, example = f"DIRECTORY_{part}_SERVICE", "demo-logic:grpc"
        text = environment.text(name, example=example)
        found = _SERVICE.fullmatch(text)
        if found is None:
            problem = f"is {text!r}, expected <service>:<name of its port>"
            raise WrongSetting(PREFIX + name, problem, example)
        host, port = (environ.get(f"KUBERNETES_SERVICE_{what}", "") for what in ("HOST", "PORT"))
        if not host or not port.isdecimal():
            problem = "is only for pods: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set"
            raise WrongSetting(PREFIX + name, problem, example)
        url = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
        account = apiserver.Account(Path(environment.text("DIRECTORY_ACCOUNT", ACCOUNT)))
        target = apiserver.Target(url, _namespace(environment, account), found[1])
        return cls(target, found[2], account, staying)


def _namespace(environment: Environment, account: apiserver.Account) -> str:
    name, example = "DIRECTORY_NAMESPACE", "default"
    try:
        text = environment.text(name, "") or (account.folder / "namespace").read_text("ascii").strip()
    except (OSError, ValueError) as exc:
        raise WrongSetting(
            PREFIX + name, f"is not set, and the service account does not say it ({exc})", example
        ) from exc
    if not re.fullmatch(_LABEL, text):
        raise WrongSetting(PREFIX + name, f"is {text!r}, expected the name of a namespace", example)
    return text
