import pytest

from chatcluster_operator import kinds, names
from support import manifests


@pytest.mark.parametrize(
    ("kind", "arguments", "path"),
    [
        ("Service", ("chat", "demo-api"), "/api/v1/namespaces/chat/services/demo-api"),
        ("Deployment", ("chat", "demo-api"), "/apis/apps/v1/namespaces/chat/deployments/demo-api"),
        ("Deployment", (None,), "/apis/apps/v1/deployments"),
        ("StorageClass", (None, "fast"), "/apis/storage.k8s.io/v1/storageclasses/fast"),
        (
            "ChatCluster",
            ("chat", "demo", "status"),
            "/apis/chatcluster.io/v1alpha1/namespaces/chat/chatclusters/demo/status",
        ),
    ],
)
def test_paths_are_the_api_servers(kind: str, arguments: tuple[str, ...], path: str) -> None:
    """The core group has a prefix of its own; a subresource stands behind the name."""
    assert kinds.BY_NAME[kind].path(*arguments) == path


def test_every_child_is_of_a_kind_that_is_watched() -> None:
    """What is applied and never seen again would be applied at every look; and no watch is for nothing."""
    made = {manifest["kind"]: manifest["apiVersion"] for manifest in manifests.children(manifests.EVERYTHING).values()}

    assert made == {kind.name: kind.api_version for kind in kinds.CHILDREN}


def test_everything_that_is_watched_is_found_by_its_labels() -> None:
    """Else the API server would send everybody's objects, and the operator would need the right to see them."""
    children = manifests.children(manifests.EVERYTHING).values()
    wanted = [f"{names.MANAGED_BY}={child['metadata']['labels'][names.MANAGED_BY]}" for child in children]

    assert {kind.selector for kind in kinds.CHILDREN} == set(wanted)
    assert all(kind.selector for kind in kinds.WATCHED)


def test_pods_and_claims_are_found_by_what_templates_say() -> None:
    """Controllers make them: they carry the labels of the templates, and no more."""
    deployment = manifests.children()["Deployment", "demo-api"]
    stateful_set = manifests.children()["StatefulSet", "demo-redis"]
    templates = [
        deployment["spec"]["template"],
        stateful_set["spec"]["template"],
        *stateful_set["spec"]["volumeClaimTemplates"],
    ]

    for kind in kinds.SEEN:
        name, _, value = kind.selector.partition("=")
        assert [template["metadata"]["labels"][name] for template in templates] == [value] * 3


def test_what_holds_secrets_of_others_is_never_listed() -> None:
    """Secrets, events and storage classes are asked for by name, or only written."""
    assert {kind.name for kind in kinds.BY_NAME.values() if not kind.selector} == {
        *("ChatCluster", "Event", "Secret", "StorageClass")
    }
