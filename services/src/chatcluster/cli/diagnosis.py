"""What is wrong with a deployment, told from what was seen of it.

Owns how observations name a culprit, and what to do about each. Does not own looking (doctor), nor which part of a
message's way is at fault (client.blame). Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from chatcluster.client import blame
from chatcluster.client.blame import Part
from chatcluster.client.transport import Unreachable
from chatcluster.core import errors

DELIVERY_WITHIN = 5.0
"""Seconds; without a task a gateway notices the silence after 12 s and reads history by itself."""
SKEW = 3.0
"""Seconds that clocks may differ: HTTP's dates have whole ones, and the way takes time too."""
_FORBIDDEN = 403


class State(Enum):
    """What a check found."""

    OK = "ok"
    BAD = "bad"
    UNKNOWN = "not checked"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check."""

    check: str
    state: State
    seen: str
    culprit: str = ""
    """Who is to blame, where somebody is."""
    advice: str = ""


def ok(check: str, seen: str) -> Finding:
    """All is well."""
    return Finding(check, State.OK, seen)


def unknown(check: str, why: str) -> Finding:
    """It could not be looked at."""
    return Finding(check, State.UNKNOWN, why)


def api(error: errors.ChatError | None, url: str) -> Finding:
    """Whether the api answers at all; any answer of its own will do."""
    if error is None or isinstance(error, errors.SessionEnded):
        return ok("api", f"{url} answers")
    advice = "Is it running, and is this its address (--api)? On one machine: chatcluster up. Else: kubectl get pods"
    return Finding("api", State.BAD, str(error), "api", advice)


def backend(error: errors.ChatError | None) -> Finding:
    """Whether logic and Redis are behind the api: a question about a session needs both."""
    if error is None or not error.temporary:
        return ok("logic and Redis", "sessions are looked up")
    if blame.part_of(error) is Part.REDIS:
        advice = "Logic runs, and cannot reach it. Look at its log, memory and disk, and at CHATCLUSTER_REDIS_URL_FILE."
        return Finding("logic and Redis", State.BAD, str(error), "Redis", advice)
    advice = "The api runs, and reaches no logic. Look at logic's log, and at /readyz on its health port (9070)."
    return Finding("logic and Redis", State.BAD, str(error), "logic", advice)


def publishing(error: errors.ChatError | None) -> Finding:
    """Whether messages are stored."""
    if error is None:
        return ok("storing", "a message was stored")
    part = blame.part_of(error)
    advice = f"Look at the log of {Part.LOGIC if part is Part.REDIS else part}."
    return Finding("storing", State.BAD, str(error), part, advice)


def gateway(url: str, error: Exception | None) -> Finding:
    """Whether a gateway lets this session in."""
    check = f"gateway {url}"
    if error is None:
        return ok(check, "lets this session in")
    advice = "Is it running, and is this address right from here (CHATCLUSTER_API_WEBSOCKET_URL of the api)?"
    return Finding(check, State.BAD, str(error), f"gateway {url}", advice)


def origin(name: str, url: str, error: Exception | None) -> Finding:
    """Whether pages of an origin may connect to a gateway."""
    check = f"origin {name}"
    if error is None:
        return ok(check, f"{url} takes its pages")
    if isinstance(error, Unreachable) and error.status == _FORBIDDEN:
        advice = f"Add it exactly, as {name}, to spec.connect.allowedOrigins (CHATCLUSTER_CONNECT_ALLOWED_ORIGINS)."
        return Finding(check, State.BAD, f"{url} refuses its pages", "origin", advice)
    return unknown(check, f"{url} was not reached")


def delivery(seconds: float | None) -> Finding:
    """Whether what is stored comes to gateways, and soon."""
    if seconds is None:
        advice = "Messages are stored, and not delivered. Look at task's log, and at /readyz on its health port (9070)."
        return Finding("delivery", State.BAD, f"nothing within {DELIVERY_WITHIN:g} s", Part.TASK, advice)
    return ok("delivery", f"{seconds * 1000:.0f} ms from being sent to being shown")


def clocks(offsets: Mapping[str, float]) -> Finding:
    """Whether clocks agree; `offsets` are seconds ahead of this machine's, by whose they are."""
    seen = ", ".join(f"{name} {seconds:+.1f} s" for name, seconds in offsets.items())
    wrong = {name: seconds for name, seconds in offsets.items() if abs(seconds) > SKEW}
    if not wrong:
        return ok("clocks", f"against this machine: {seen}")
    values = list(offsets.values())
    is_ours = len(wrong) == len(offsets) > 1 and max(values) - min(values) <= SKEW
    culprit = "the clock of this machine" if is_ours else f"the clock of {' and '.join(wrong)}"
    advice = "Set it by NTP (chrony, systemd-timesyncd): sessions and message ids are judged by clocks."
    return Finding("clocks", State.BAD, f"against this machine: {seen}", culprit, advice)


def culprits(findings: Sequence[Finding]) -> list[str]:
    """Who is to blame, the nearest cause first, each once."""
    return list(dict.fromkeys(each.culprit for each in findings if each.state is State.BAD))
