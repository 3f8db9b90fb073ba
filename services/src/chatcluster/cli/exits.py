"""How a command ends when it does not do what was asked: its exit code, and what to do about it.

Owns the exit codes and the advice. Does not own errors (core.errors). Pure.
"""

from collections.abc import Mapping

from chatcluster.core import errors

REFUSED = 1
"""What was asked for was refused, and would be again."""
USAGE = 2
"""The command line itself is wrong."""
NO_SESSION = 3
"""Nobody is logged in, or the session is over."""
AWAY = 4
"""Somebody is not there, full, or did not answer: later it may work."""
UNHEALTHY = 5
"""`doctor` found a culprit."""
INTERRUPTED = 130
"""Ctrl-C, as shells count it."""


class NotLoggedIn(errors.SessionEnded):
    """Nobody is logged in here."""


def code_of(error: errors.ChatError) -> int:
    """The exit code that an error leads to."""
    if isinstance(error, errors.SessionEnded):
        return NO_SESSION
    return AWAY if error.temporary else REFUSED


def advice(error: errors.ChatError, api: str) -> str:
    """What a person can do now; empty where the error says it all."""
    found = next((text for kind, text in _ADVICE.items() if isinstance(error, kind)), "")
    return found.format(api=api, wait=error.retry_after or 1)


_ADVICE: Mapping[type[errors.ChatError], str] = {
    errors.SessionEnded: "Log in with: chatcluster login NAME   (or: chatcluster register NAME)",
    errors.WrongCredentials: "A new account is made by: chatcluster register NAME",
    errors.NameTaken: "If it is yours: chatcluster login NAME",
    errors.RateLimited: "Wait {wait:g} s, and try again.",
    errors.OutcomeUnknown: "It may have been done. Look with: chatcluster history ROOM",
    errors.Busy: "Is {api} the right address (--api)? What is wrong there says: chatcluster doctor",
}
