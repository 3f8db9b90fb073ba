import pytest

from chatcluster_operator import names
from chatcluster_operator.names import Manifest
from chatcluster_operator.resources import credentials
from support import manifests

DRAWN = "s3cr3t-s3cr3t-s3cr3t"
CLUSTER = manifests.chatcluster()


def test_the_cluster_secret_is_the_drawn_one() -> None:
    """One key, which all programs mount."""
    assert credentials.cluster_secret(CLUSTER, DRAWN)["stringData"] == {"secret": DRAWN}
    assert credentials.cluster_secret(CLUSTER, DRAWN)["metadata"]["name"] == "demo-cluster"


def test_redis_password_is_written_as_each_reader_wants_it() -> None:
    """The server an argument of its configuration, its client the password alone, the programs a URL."""
    data = credentials.redis_secret(CLUSTER, DRAWN)["stringData"]

    assert data == {
        "password": DRAWN,
        "auth.conf": f"requirepass {DRAWN}\n",
        "url": f"redis://:{DRAWN}@demo-redis.chat.svc:6379/0",
    }


def test_the_synthetic_users_password_is_the_drawn_one() -> None:
    """Apart from the cluster's secret, which is not for users."""
    assert credentials.synthetic_secret(CLUSTER, DRAWN)["stringData"] == {"password": DRAWN}
    assert credentials.synthetic_secret(CLUSTER, DRAWN)["metadata"]["name"] == "demo-synthetic"


@pytest.mark.parametrize(
    "secret",
    [
        credentials.cluster_secret(CLUSTER, DRAWN),
        credentials.redis_secret(CLUSTER, DRAWN),
        credentials.synthetic_secret(CLUSTER, DRAWN),
    ],
)
def test_secrets_are_children(secret: Manifest) -> None:
    """They go with the ChatCluster, and are found by its name; and their values stand in their data alone."""
    assert secret["metadata"]["ownerReferences"] == [names.owner(CLUSTER)]
    assert secret["metadata"]["labels"].items() >= {names.INSTANCE: "demo"}.items()
    assert DRAWN not in str({name: value for name, value in secret.items() if name != "stringData"})


def test_a_digest_tells_that_something_changed_and_not_what() -> None:
    """It stands in annotations, which many may read."""
    one = credentials.digest({"secret": "MQ=="})

    assert one == credentials.digest({"secret": "MQ=="}) != credentials.digest({"secret": "Mg=="})
    assert "MQ" not in one
