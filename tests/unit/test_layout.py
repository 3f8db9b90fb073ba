"""The shape of the repository: what may stand where, how large it may be, and which test belongs to which module."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
TESTS = ROOT / "tests"
SOURCES = {
    "chatcluster": ROOT / "services/src/chatcluster",
    "chatcluster_operator": ROOT / "operator/src/chatcluster_operator",
}
TOP = {
    *("operator", "services", "charts", "crds", "proto", "tests", "kind-config.yaml", "Makefile"),
    *("README.md", "ARCHITECTURE.md", "CHANGELOG.md", "LICENSE", "pyproject.toml", "examples", "docs"),
    *("services.lock", "cli.lock", "operator.lock", "dev.lock"),
    *("build", "dist"),
}
"""The last line is what tools leave behind, and git ignores."""
PORTS = {"log", "accounts", "bookmarks", "presence", "directory"}
FORBIDDEN_NAMES = {"utils", "helpers", "common", "misc", "base", "manager"}
ELSEWHERE = {
    **dict.fromkeys(("core/redis", "core/redis_connections"), "integration/test_redis.py"),
    "core/redis_link": "integration/test_redis_link.py",
    "log/memory_state": "contract/test_log.py",
    "log/memory_reading": "contract/test_log_back.py",
    "core/redis_cluster": "integration/test_redis_cluster.py",
    **dict.fromkeys(("core/rpc_pool", "core/rpc_server"), "integration/test_rpc.py"),
    **dict.fromkeys(
        (f"chatcluster_operator/{name}" for name in ("acting", "credentials", "kube", "reconcile", "watching")),
        "cluster/test_reconcile.py",
    ),
    **dict.fromkeys(
        (f"chatcluster_operator/{name}" for name in ("handlers", "health", "sweeping")),
        "cluster/test_operator.py",
    ),
    "chatcluster_operator/resources/context": "unit/chatcluster_operator/test_desired.py",
    **dict.fromkeys(
        (f"client/{name}" for name in ("asking", "client", "link", "room", "transport")),
        "integration/test_client.py",
    ),
    **dict.fromkeys(
        ("client/rest", *(f"cli/{name}" for name in ("accounts", "app", "doctor", "messages", "people"))),
        "integration/test_cli.py",
    ),
    "client/events": "unit/client/test_protocol.py",
    "client/items": "unit/client/test_track.py",
    **dict.fromkeys(
        (f"synthetic/{name}" for name in ("account", "listening", "rounds")), "integration/test_synthetic.py"
    ),
    "synthetic/reporting": "integration/test_reporting.py",
    "local/append_only": "integration/test_local.py",
    "local/children": "integration/test_children.py",
    "local/supervisor": "integration/test_local.py",
}
"""What only sockets, processes, an API server or many schedules at once can test, and where that is done."""


def modules() -> Iterator[tuple[str, Path]]:
    """Yield each module of our own by its path below its package, without the suffix, and its file.

    The operator's are told apart by their package in front: a folder of tests called `operator` would shadow the
    standard library's module.
    """
    for package, source in SOURCES.items():
        root = source if package == "chatcluster" else source.parent
        for path in sorted(source.rglob("*.py")):
            name = path.relative_to(root).with_suffix("").as_posix()
            if not name.startswith("v1/") and path.name not in {"__init__.py", "__main__.py"}:
                yield name, path


def expected_test(name: str) -> str | None:
    """Return which file tests a module, below tests/; None for what holds no code: the ports themselves."""
    package, _, module = name.rpartition("/")
    if package in PORTS and module == package:
        return None
    if package in PORTS and module in {"redis", "memory"}:
        return f"contract/test_{package}.py"
    return ELSEWHERE.get(name, f"unit/{package}/test_{module}.py")


def test_the_top_is_fixed() -> None:
    """Beside dotfiles the root holds what was agreed on and nothing else."""
    assert {path.name for path in ROOT.iterdir() if not path.name.startswith(".")} <= TOP


def test_nothing_shadows_the_standard_library() -> None:
    """There is no package called `operator`: neither at the top, nor under tests, which has no packages at all."""
    assert not list((ROOT / "operator").glob("*.py"))
    assert not list(TESTS.rglob("__init__.py"))


def test_every_folder_of_the_sources_is_a_package_that_says_what_it_is() -> None:
    """A namespace package by accident would escape the layers; each `__init__.py` has a docstring and little else."""
    for source in SOURCES.values():
        for folder in {path.parent for path in source.rglob("*.py")}:
            tree = ast.parse((folder / "__init__.py").read_text())

            assert ast.get_docstring(tree), folder
            assert len(tree.body) <= 2, folder


def test_every_module_has_its_test() -> None:
    """A module's test is where its name says, or where the table above says; and the name is a noun of the domain."""
    expected = {test for name, _ in modules() if (test := expected_test(name))}

    assert {test for test in expected if not (TESTS / test).is_file()} == set()
    assert FORBIDDEN_NAMES.isdisjoint(path.stem for _, path in modules())


def test_every_unit_test_has_its_module() -> None:
    """A test under tests/unit is named after its module; beside it may stand parts, each named after an idea, as
    test_hub_gaps.py beside test_hub.py.
    """
    known = {f"unit/{name.rpartition('/')[0]}/test_{path.stem}.py" for name, path in modules()}
    found = {path.relative_to(TESTS).as_posix() for path in (TESTS / "unit").rglob("test_*.py")}

    assert {test for test in found - known if not _is_part(test, known & found)} == {"unit/test_layout.py"}


def _is_part(test: str, whole: set[str]) -> bool:
    return any(test.startswith(f"{each.removesuffix('.py')}_") for each in whole)


def test_nothing_is_too_long() -> None:
    """A module has at most 400 lines, a test's as well; a function 40, without its docstring."""
    sources = [path for _, path in modules()]
    files = {path.relative_to(ROOT).as_posix(): path.read_text() for path in [*sources, *TESTS.rglob("*.py")]}

    assert {path for path, text in files.items() if len(text.splitlines()) > 400} == set()
    assert {f"{path}: {name}" for path, text in files.items() for name in _long_functions(ast.parse(text))} == set()


def _long_functions(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
            if (node.end_lineno or 0) - first.lineno >= 40:
                yield node.name
