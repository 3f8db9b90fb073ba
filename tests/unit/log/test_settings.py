from dataclasses import fields

import pytest

from chatcluster.core.environment import WrongSetting
from chatcluster.log import log
from chatcluster.log.settings import Settings


def test_defaults_are_the_ports_own() -> None:
    """Without any variable the bounds are those that the port documents."""
    assert Settings.from_env({}) == Settings(16, log.Limits())


@pytest.mark.parametrize("field", [field.name for field in fields(log.Limits)])
def test_every_bound_has_its_variable(field: str) -> None:
    """CHATCLUSTER_LOG_<FIELD> sets that field and no other."""
    value = getattr(log.Limits(), field)
    other = 0.5 if field == "memory_fraction" else value * 2
    limits = Settings.from_env({f"CHATCLUSTER_LOG_{field.upper()}": str(other)}).limits

    assert getattr(limits, field) == other
    assert sum(getattr(limits, f.name) != getattr(log.Limits(), f.name) for f in fields(log.Limits)) == 1


def test_shards_can_be_set() -> None:
    """How many shards there are is the cluster's choice, once."""
    assert Settings.from_env({"CHATCLUSTER_LOG_SHARDS": "4"}).shards == 4


def test_a_read_cannot_be_larger_than_a_history() -> None:
    """Bounds that contradict each other are refused by name."""
    with pytest.raises(WrongSetting, match="CHATCLUSTER_LOG_READ_BYTES"):
        Settings.from_env({"CHATCLUSTER_LOG_HISTORY_BYTES": "100000"})
