"""Which part of a cluster is at fault, told from what a client meets.

Owns the parts of a message's way, and how a refusal and a silence name one of them. Does not own looking, nor what to
do about it. Pure.

A refusal is told by its words: errors keep their code from program to program, and not who met them. A message that was
stored and is shown nowhere blames task, as long as some gateway that does not show it answers; one that is shown
somewhere blames the gateways that do not show it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum

from chatcluster.client.failures import NoAnswer, NobodyThere, NotTheApi
from chatcluster.core import errors


class Part(StrEnum):
    """What can be at fault, in the order of a message's way."""

    API = "api"
    LOGIC = "logic"
    REDIS = "Redis"
    TASK = "task"
    GATEWAY = "gateway"


class Heard(Enum):
    """What a gateway did about a stored message."""

    SHOWN = "it showed it in time"
    DEAF = "it answers, and did not show it"
    SILENT = "it answers nothing"


@dataclass(frozen=True, slots=True)
class Blame:
    """Who is at fault, and why."""

    part: Part
    why: str
    which: str = ""
    """Of several gateways, those."""

    @property
    def culprit(self) -> str:
        """Its name."""
        return f"{self.part} {self.which}" if self.which else str(self.part)

    def __str__(self) -> str:
        return f"{self.culprit}: {self.why}"


def of_refusal(error: errors.ChatError) -> Blame:
    """Who is at fault for a message that the api refused, or did not answer; in the words of the error."""
    part = part_of(error)
    return Blame(part, str(error).removeprefix(part).strip(" :"))


def part_of(error: errors.ChatError) -> Part:
    """Who is at fault when something was asked of the api, and refused or not answered.

    Logic, where nothing is known of anybody else: the api hands on what it was told.
    """
    text = str(error)
    if isinstance(error, NotTheApi | NobodyThere | NoAnswer) or text.startswith("api"):
        return Part.API
    if text.startswith("Redis"):
        return Part.REDIS
    return Part.TASK if text.startswith("dispatch") else Part.LOGIC


def of_silence(gateways: Mapping[str, Heard], within: float) -> Blame | None:
    """Who is at fault for what each gateway did about one stored message in so many seconds; None if all showed it."""
    missing = {name: heard for name, heard in gateways.items() if heard is not Heard.SHOWN}
    if not missing:
        return None
    is_shown = len(missing) < len(gateways)
    if not is_shown and Heard.DEAF in missing.values():
        return Blame(Part.TASK, f"messages are stored, and no gateway shows them within {within:g} s")
    why = "does not answer" if Heard.DEAF not in missing.values() else "does not show what is shown elsewhere"
    return Blame(Part.GATEWAY, why, ", ".join(sorted(missing)))
