import pytest

from chatcluster.core.environment import WrongSetting
from chatcluster.logic.settings import Settings


def test_defaults_are_the_documented_ones() -> None:
    """Without any variable it is the table of limits in the documentation."""
    settings = Settings.from_env({})

    assert settings.port == 6900
    assert settings.policy.session_ttl == 86_400
    assert (settings.policy.registrations, settings.policy.logins) == (10, 30)
    assert (settings.bounds.text_bytes, settings.bounds.retry_window) == (4096, 480)
    assert (settings.cost.memory, settings.cost.passes) == (19_456, 2)
    assert 1 <= settings.cost.threads <= 4
    assert settings.answer_bytes == 2 * 1024 * 1024


def test_every_bound_can_be_set() -> None:
    """Each variable reaches its own field."""
    settings = Settings.from_env(
        {
            "CHATCLUSTER_LOGIC_HOST": "::1",
            "CHATCLUSTER_LOGIC_PORT": "0",
            "CHATCLUSTER_LOGIC_DRAIN_SECONDS": "2.5",
            "CHATCLUSTER_LOGIC_SESSION_TTL": "60",
            "CHATCLUSTER_LOGIC_REGISTER_RATE": "1000",
            "CHATCLUSTER_LOGIC_LOGIN_RATE": "2000",
            "CHATCLUSTER_LOGIC_PASSWORD_MEMORY": "1024",
            "CHATCLUSTER_LOGIC_PASSWORD_PASSES": "3",
            "CHATCLUSTER_LOGIC_PASSWORD_THREADS": "5",
            "CHATCLUSTER_LOGIC_PASSWORD_QUEUE": "6",
            "CHATCLUSTER_LOGIC_TEXT_BYTES": "100",
            "CHATCLUSTER_LOGIC_PRESENCE_RATE": "7",
            "CHATCLUSTER_LOGIC_HINT_RATE": "8",
            "CHATCLUSTER_LOGIC_ANSWER_BYTES": "100000",
            "CHATCLUSTER_LOG_IDEMPOTENCY_TTL": "1000",
        }
    )

    assert (settings.host, settings.port, settings.drain) == ("::1", 0, 2.5)
    assert (settings.policy.session_ttl, settings.policy.registrations, settings.policy.logins) == (60, 1000, 2000)
    assert (settings.cost.memory, settings.cost.passes) == (1024, 3)
    assert (settings.cost.threads, settings.cost.queue) == (5, 6)
    assert (settings.bounds.text_bytes, settings.bounds.retry_window) == (100, 800)
    assert (settings.presence_rate, settings.hint_rate, settings.answer_bytes) == (7, 8, 100_000)


def test_a_wrong_value_names_its_variable() -> None:
    """The text says which variable, what is wrong, and an example."""
    with pytest.raises(WrongSetting, match="CHATCLUSTER_LOGIC_SESSION_TTL") as wrong:
        Settings.from_env({"CHATCLUSTER_LOGIC_SESSION_TTL": "a day"})

    assert "Example" in str(wrong.value)
