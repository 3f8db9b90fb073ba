"""The Go module files of the programs in tests/cluster/kubernetes, one for each version of Kubernetes.

Owns how they come about: Kubernetes' own go.mod replaces the modules that live in its repository by folders of it, and
these are published as modules of their own under the version v0. The tools that are built with it take its libraries
as they are.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from support.cluster.tools import SOURCE, Tool, go, module_file, tools_of

Module = dict[str, Any]
"""A go.mod file, as `go mod edit -json` tells it."""

_HELD = ("k8s.io/kube-openapi", "k8s.io/utils", "sigs.k8s.io/structured-merge-diff/v6")
"""What decides how an API server behaves, and tools would have newer."""


def pin(version: str) -> None:
    """Write the module file of a version, and with `go mod tidy` the sums beside it."""
    tools = tools_of(version)
    upstream = _described("k8s.io/kubernetes", version)
    replaced = _replaced(version, upstream)
    for tool in tools:
        replaced |= _further(_described(tool.module, tool.version))
    module_file(version).write_text(_text(version, upstream["Go"], tools, replaced))
    go("mod", "tidy", f"-modfile={module_file(version)}", source=SOURCE)


def _described(module: str, version: str) -> Module:
    downloaded = json.loads(go("mod", "download", "-json", f"{module}@v{version}", source=Path("/")))
    described: Module = json.loads(go("mod", "edit", "-json", downloaded["GoMod"], source=Path("/")))
    return described


def _replaced(version: str, upstream: Module) -> dict[str, str]:
    local = [replace["Old"]["Path"] for replace in upstream["Replace"] if replace["New"]["Path"].startswith("./")]
    held = {required["Path"]: required["Version"] for required in upstream["Require"] if required["Path"] in _HELD}
    published = dict.fromkeys(local, f"v0.{version.partition('.')[2]}")
    return {path: f"{path} {chosen}" for path, chosen in {**published, **held}.items()}


def _further(tool: Module) -> dict[str, str]:
    replaces = tool.get("Replace") or ()
    return {replace["Old"]["Path"]: "{Path} {Version}".format(**replace["New"]) for replace in replaces}


def _text(version: str, language: str, tools: Iterable[Tool], replaced: Mapping[str, str]) -> str:
    required = [f"k8s.io/kubernetes v{version}", *(f"{tool.module} v{tool.version}" for tool in tools)]
    return f"""\
// Written by `python -m support.cluster pin {version}`, not by hand.
module chatcluster.io/tests/kubernetes

go {language}

{_block("tool", [tool.path for tool in tools if not tool.path.startswith(".")])}
{_block("require", required)}
{_block("replace", [f"{path} => {replacement}" for path, replacement in replaced.items()])}"""


def _block(directive: str, lines: list[str]) -> str:
    return f"{directive} (\n" + "".join(f"\t{line}\n" for line in lines) + ")\n"
