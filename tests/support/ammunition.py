"""Frames that nobody would send, among some that many do, for both of a gateway's protocols."""

import json
import random
import struct
from dataclasses import dataclass
from typing import Any

from websockets.frames import Frame, Opcode

from chatcluster.connect import framing
from support.crowd import masked


@dataclass(frozen=True, slots=True)
class Shot:
    """Some bytes to send."""

    data: bytes
    decoded: bool = False
    """It is well-formed enough that its payload is decoded."""
    last: bool = False
    """It ends the connection."""


class Ammunition:
    """An endless supply, the same for the same seed."""

    def __init__(self, seed: int, token: str) -> None:
        self.random = random.Random(seed)
        self.token = token

    # -- what both protocols share

    def value(self) -> Any:
        """Anything that JSON can say."""
        dice = self.random
        return dice.choice(
            [
                None,
                True,
                dice.randrange(-(2**70), 2**70),
                dice.random(),
                self.text(),
                [self.text()],
                {self.text(): None},
                [] if dice.random() < 0.9 else _nested(500),
            ]
        )

    def text(self) -> str:
        """Any characters."""
        return "".join(
            chr(self.random.choice([*range(0x250), 0x2028, 0x1F600])) for _ in range(self.random.randrange(40))
        )

    def junk(self, most: int) -> bytes:
        """Any bytes."""
        return self.random.randbytes(self.random.randrange(most))

    def join(self) -> bytes:
        """One that is accepted, with fields beside it that mean nothing."""
        fields = {"authToken": self.token, "roomId": self.random.choice([1, 2, 3, 4]), self.text(): self.value()}
        return json.dumps(fields, ensure_ascii=self.random.random() < 0.5).encode()

    # -- websocket

    def websocket(self) -> Shot:
        """A shot at a websocket."""
        dice = self.random
        kinds = [self._joins, self._fragments, self._controls, self._misjoins, self._raw, self._closes]
        (kind,) = dice.choices(kinds, [40, 15, 25, 8, 8, 4])
        return kind()

    def _joins(self) -> Shot:
        return Shot(masked(self.join(), self.random.choice([Opcode.TEXT, Opcode.BINARY])), decoded=True)

    def _fragments(self) -> Shot:
        payload = self.join()
        cut = self.random.randrange(len(payload))
        first = Frame(Opcode.TEXT, payload[:cut], fin=False).serialize(mask=True)
        return Shot(first + Frame(Opcode.CONT, payload[cut:]).serialize(mask=True), decoded=True)

    def _controls(self) -> Shot:
        return Shot(masked(self.junk(126), self.random.choice([Opcode.PING, Opcode.PONG])))

    def _misjoins(self) -> Shot:
        wrong = [
            json.dumps({"authToken": self.text() * self.random.randrange(1, 9), "roomId": 1}).encode(),
            json.dumps({"authToken": self.token, "roomId": 2**31}).encode(),
            json.dumps(self.value()).encode(),
            self.junk(200),
        ]
        return Shot(masked(self.random.choice(wrong)[:4000]), decoded=True, last=True)

    def _raw(self) -> Shot:
        dice = self.random
        broken = [
            self.junk(300) + b"\xff" * 14,
            bytes([dice.randrange(256), dice.randrange(256)]) * 2 + b"\xff" * 14,
            Frame(Opcode.TEXT, self.junk(100)).serialize(mask=False) + b"\xff" * 14,
            masked(bytes(dice.randrange(4097, 9000))),
        ]
        return Shot(dice.choice(broken), last=True)

    def _closes(self) -> Shot:
        return Shot(masked(self.junk(125), Opcode.CLOSE), last=True)

    # -- TCP

    def tcp(self) -> Shot:
        """A shot at a TCP connection."""
        kinds = [self._commands, self._misfits, self._broken_header, self._cut_off]
        (kind,) = self.random.choices(kinds, [75, 10, 10, 5])
        return kind()

    def _commands(self) -> Shot:
        op = self.random.choice([2, 3, 3, 3, 4, 5, 6, 6, 7, -1])
        fields = {
            "authToken": self.token,
            "roomId": self.random.choice([1, 2, 3, 4]),
            "op": op,
            "msg": self.text() * self.random.randrange(1, 200),
            "fromUserId": self.value(),
            "fromUserName": self.value(),
        }
        payload = json.dumps(fields, ensure_ascii=False).encode()[: framing.MAX_PAYLOAD_BYTES]
        return Shot(framing.frame(payload), decoded=True)

    def _misfits(self) -> Shot:
        payload = self.random.choice([b"", self.junk(300), json.dumps(self.value()).encode()])
        return Shot(framing.frame(payload) * 3, decoded=True, last=True)

    def _broken_header(self) -> Shot:
        return Shot(b"v1" + struct.pack(">h", self.random.randrange(-(2**15), 4)) + self.junk(100), last=True)

    def _cut_off(self) -> Shot:
        whole = framing.frame(self.junk(1000) + b"x")
        return Shot(whole[: self.random.randrange(1, len(whole))], last=True)


def _nested(depth: int) -> Any:
    value: Any = None
    for _ in range(depth):
        value = [value]
    return value
