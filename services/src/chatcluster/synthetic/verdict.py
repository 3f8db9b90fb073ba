"""Whether messages are delivered, judged from the last rounds.

Owns the verdict: when it turns, and which question it answers. One round that failed may be a blink, and one that went
well chance; so two failures among the last four rounds turn it to no, and three successes in a row to yes. What is said
of a culprit stays as long as the culprit is the same. Pure.

Whoever replaces programs asks by a text of any kind, and the answer rests on rounds alone that began after it was
heard. Until then the verdict stays, as the answer to an earlier question.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from chatcluster.client.blame import Blame

LOOKED_AT = 4
"""Rounds."""
FAILURES = 2
"""Among them, for a no."""
SUCCESSES = 3
"""In a row, for a yes."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known."""

    delivering: bool | None = None
    """None: not yet judged."""
    blame: Blame | None = None
    """Who is at fault while messages are not delivered."""
    answered: str = ""
    """The question that this answers."""

    def document(self) -> Mapping[str, object]:
        """As JSON."""
        return {
            "delivering": self.delivering,
            "part": str(self.blame.part) if self.blame else "",
            "message": str(self.blame or ""),
            "answered": self.answered,
        }


class Judge:
    """Judges rounds as they end."""

    def __init__(self) -> None:
        self.verdict = Verdict()
        self._question = ""
        self._number = 0
        self._rounds: deque[Blame | None] = deque(maxlen=LOOKED_AT)

    def document(self) -> Mapping[str, object]:
        """The verdict, as JSON."""
        return self.verdict.document()

    def ask(self, question: str) -> None:
        """Judge anew for another question; nothing happens for the same."""
        if question != self._question:
            self._question = question
            self._number += 1
            self._rounds.clear()

    def begin(self) -> int:
        """A round begins; what is to be said with its end."""
        return self._number

    def end(self, number: int, blame: Blame | None) -> None:
        """A round ended, with somebody to blame or well; one that began before the last question does not count."""
        if number != self._number:
            return
        self._rounds.append(blame)
        failures = [one for one in self._rounds if one]
        if len(failures) >= FAILURES:
            self.verdict = Verdict(False, self._told(failures[-1]), self._question)
        elif len(self._rounds) >= SUCCESSES and not any(list(self._rounds)[-SUCCESSES:]):
            self.verdict = Verdict(True, None, self._question)

    def _told(self, blame: Blame) -> Blame:
        before = self.verdict.blame
        return before if before and before.culprit == blame.culprit else blame
