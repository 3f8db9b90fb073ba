"""The Go module files of the program in tests/cluster/kubernetes, one for each version of Kubernetes.

Owns how they come about: Kubernetes' own go.mod replaces the modules that live in its repository by folders of it, and
these are published as modules of their own under the version v0.
"""

import json

from support.cluster.commands import run
from support.cluster.tools import SOURCE, module_file


def pin(version: str) -> None:
    """Write the module file of a version, and with `go mod tidy` the sums beside it."""
    described = json.loads(run("go", "mod", "download", "-json", f"k8s.io/kubernetes@v{version}", within=600))
    upstream = json.loads(run("go", "mod", "edit", "-json", described["GoMod"]))
    replaced = [replace["Old"]["Path"] for replace in upstream["Replace"] if replace["New"]["Path"].startswith("./")]
    module_file(version).write_text(_text(version, upstream["Go"], replaced))
    run("go", "mod", "tidy", f"-modfile={module_file(version)}", within=1_800, folder=SOURCE)


def _text(version: str, go: str, replaced: list[str]) -> str:
    published = f"v0.{version.partition('.')[2]}"
    replacements = "".join(f"\t{path} => {path} {published}\n" for path in replaced)
    return f"""\
// Written by `python -m support.cluster pin {version}`, not by hand.
module chatcluster.io/tests/kubernetes

go {go}

require k8s.io/kubernetes v{version}

replace (
{replacements})
"""
