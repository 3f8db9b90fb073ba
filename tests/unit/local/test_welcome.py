from chatcluster.local import welcome
from chatcluster.local.settings import Settings


def test_every_address_is_told() -> None:
    """Whoever moved a port finds it in the text."""
    text = welcome.text(Settings.from_env({"CHATCLUSTER_LOCAL_API_PORT": "8080", "CHATCLUSTER_LOCAL_DATA": "/x"}))

    for address in (
        "http://127.0.0.1:8080/\n",
        "http://127.0.0.1:8080/v1/docs",
        "ws://127.0.0.1:7010/ws",
        "127.0.0.1:7011",
        "127.0.0.1:9070/metrics",
        "/x",
    ):
        assert address in text
