import grpc
import pytest

from chatcluster.core import errors, rpc


def failure(code: grpc.StatusCode, trailing: tuple[tuple[str, str], ...] = ()) -> grpc.aio.AioRpcError:
    """A failed call as grpc.aio raises it."""
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(*trailing), details="why")


def test_every_error_has_a_status() -> None:
    """No error but the root is sent as INTERNAL: a class without a status was forgotten."""
    tree = [e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, errors.ChatError)]

    assert [e for e in tree if rpc.status_of(e()) is grpc.StatusCode.INTERNAL] == [errors.ChatError]


def test_a_kind_of_an_error_has_its_status() -> None:
    """An error that a program derives for itself is sent as what it is a kind of."""

    class TooLong(errors.Invalid):
        """Too long."""

    assert rpc.status_of(TooLong()) is grpc.StatusCode.INVALID_ARGUMENT


def test_the_servers_own_error_is_raised() -> None:
    """A code in the trailing metadata decides, with its message and its retry-after."""
    error = rpc.error_of(
        failure(grpc.StatusCode.RESOURCE_EXHAUSTED, (("chat-error", "rate_limited"), ("chat-retry-after", "1.5")))
    )

    assert type(error) is errors.RateLimited
    assert (str(error), error.retry_after) == ("why", 1.5)


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.UNIMPLEMENTED])
def test_a_server_that_refuses_the_caller_did_nothing(code: grpc.StatusCode) -> None:
    """A wrong cluster secret or an older server is a backend that is away, never a session that has ended."""
    assert type(rpc.error_of(failure(code))) is errors.Unavailable


@pytest.mark.parametrize(
    "code",
    [
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
    ],
)
def test_what_grpc_says_by_itself_leaves_the_outcome_open(code: grpc.StatusCode) -> None:
    """Without the server's word nobody knows whether the request was carried out."""
    assert type(rpc.error_of(failure(code))) is errors.OutcomeUnknown


def test_only_what_is_marked_in_proto_may_be_repeated() -> None:
    """Publishing and reading may be repeated; what makes an account or a session, or ends or uses up one, may not."""
    levels = {m.name: m.GetOptions().idempotency_level for m in rpc.LOGIC.methods}

    once = {name for name, level in levels.items() if level == 0}
    assert once == {"Register", "Login", "EndSessions", "RedeemTicket"}
