import json

import msgspec

from chatcluster.frames import answers


def test_a_refusal_says_only_what_is_known() -> None:
    """What does not apply is not there, not even as null."""
    told = answers.Refusal(7, "invalid", "wrong")

    assert json.loads(msgspec.json.encode(told)) == {"type": "error", "id": 7, "code": "invalid", "detail": "wrong"}


def test_an_answer_with_nothing_to_say_has_its_request() -> None:
    """By which the client knows it."""
    assert json.loads(msgspec.json.encode(answers.Noted(7))) == {"type": "ok", "id": 7}
