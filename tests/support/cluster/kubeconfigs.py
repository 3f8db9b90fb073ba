"""Kubeconfig files: self-contained, with the one context that tests may use.

Owns their form. Does not own which one a test takes: `targets`.
"""

import base64
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from support.cluster.certificates import Pair
from support.cluster.commands import run
from support.cluster.tools import kubernetes

CONTEXT = "chatcluster-test"
"""What the contexts of our own clusters are called, or begin with."""


def write(path: Path, server: str, authority: Pair, user: Pair, *, context: str = CONTEXT) -> Path:
    """Write a kubeconfig that only its owner can read, and return its path. JSON is YAML."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": context,
        "clusters": [
            {
                "name": context,
                "cluster": {"server": server, "certificate-authority-data": _encoded(authority.certificate)},
            }
        ],
        "users": [
            {
                "name": context,
                "user": {
                    "client-certificate-data": _encoded(user.certificate),
                    "client-key-data": _encoded(user.key),
                },
            }
        ],
        "contexts": [{"name": context, "context": {"cluster": context, "user": context}}],
    }
    return _written(path, content)


def of_account(path: Path, kubeconfig: Path, token: str) -> Path:
    """Write a kubeconfig that leads where another one does, as whoever has this token; returns its path."""
    shown = ("config", "view", "--raw", "--minify", "--output=json")
    content = json.loads(run(kubernetes("kubectl"), f"--kubeconfig={kubeconfig}", *shown))
    content["users"][0]["user"] = {"token": token}
    return _written(path, content)


def _written(path: Path, content: Mapping[str, Any]) -> Path:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(content, file, indent=1)
    return path


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
