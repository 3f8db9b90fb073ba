from chatcluster.core import errors


def test_codes_are_unique_and_lead_back_to_their_class() -> None:
    """Every error in the tree has a code of its own, and `by_code` finds it."""
    tree = [e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, errors.ChatError)]

    assert len({error.code for error in tree}) == len(tree)
    assert [errors.by_code(error.code) for error in tree] == tree


def test_unknown_code_is_the_root() -> None:
    """A code of a newer version is an error all the same."""
    assert errors.by_code("from_the_future") is errors.ChatError


def test_an_error_describes_itself() -> None:
    """Without a message of its own an error says what its class means."""
    assert str(errors.Busy()) == "Full; nothing was stored."
    assert str(errors.Busy("stream is full")) == "stream is full"
    assert errors.Busy(retry_after=2.5).retry_after == 2.5


def test_unavailable_is_a_kind_of_busy() -> None:
    """Who handles `Busy` also handles a backend that is away: nothing was stored in both."""
    assert issubclass(errors.Unavailable, errors.Busy)
    assert errors.Unavailable.temporary
