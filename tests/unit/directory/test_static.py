import pytest

from chatcluster.core.environment import WrongSetting
from chatcluster.directory.static import StaticDirectory


async def test_all_addresses_are_known_at_once() -> None:
    """A fixed list is told completely, from the start."""
    directory = StaticDirectory.from_env({"CHATCLUSTER_DIRECTORY_LOGIC": "127.0.0.1:6900, logic:6901"}, "LOGIC")

    assert directory.endpoints() == {"127.0.0.1:6900", "logic:6901"}
    assert await anext(directory.changes()) == {"127.0.0.1:6900", "logic:6901"}


@pytest.mark.parametrize("value", ["", " , ", "127.0.0.1", ":6900", "logic:port", "a:1,b", "a:0", "a:65536", "a:٦"])
def test_wrong_lists_are_refused(value: str) -> None:
    """An empty list, and anything but host:port in it, is refused with an example."""
    with pytest.raises(WrongSetting, match="^CHATCLUSTER_DIRECTORY_LOGIC .*127.0.0.1:6900,"):
        StaticDirectory.from_env({"CHATCLUSTER_DIRECTORY_LOGIC": value}, "LOGIC")
