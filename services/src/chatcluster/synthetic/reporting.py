"""The synthetic user's report: a ConfigMap that the operator has made, of which it may read and change this one alone.

Owns the keys of both sides: the operator's `question`, and the answer beside it. The answer is written when it says
something else than what stands there, so a cluster that is well is only read; and what somebody else wrote over it is
put right.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Self

import aiohttp
import msgspec

from chatcluster.core import health
from chatcluster.core.environment import Environment
from chatcluster.directory import apiserver, wire
from chatcluster.directory.settings import Settings
from chatcluster.synthetic.verdict import Judge, Verdict

QUESTION = "question"
"""The key under which the operator asks."""
MANAGER = "chatcluster-synthetic"
STALE = 30.0
"""Seconds without a report after which nobody should rely on the last one."""
_WITHIN = aiohttp.ClientTimeout(total=10, sock_connect=5)
_LARGEST = 1024 * 1024


class _ConfigMap(msgspec.Struct, frozen=True):
    data: dict[str, str] = {}


class Report:
    """One ConfigMap."""

    def __init__(self, server: str, namespace: str, name: str, account: apiserver.Account, interval: float) -> None:
        self._server = server
        self._path = f"/api/v1/namespaces/{namespace}/configmaps/{name}"
        self._account = account
        self._interval = interval

    @classmethod
    def from_env(cls, environ: Mapping[str, str], interval: float) -> Self | None:
        """Read CHATCLUSTER_SYNTHETIC_REPORT, the name of the ConfigMap; without it there is no report.

        Where the API server is stands in what the directory of the gateways reads. Raises `WrongSetting`.
        """
        name = Environment(environ).text("SYNTHETIC_REPORT", "")
        if not name:
            return None
        place = Settings.from_env(environ, "CONNECT")
        return cls(place.target.url, place.target.namespace, name, place.account, interval)

    async def follow(self, judge: Judge, dependency: health.Dependency) -> None:
        """Hear the question and report the verdict, every interval, for ever."""
        loop = asyncio.get_running_loop()
        last = loop.time()
        while True:
            try:
                await self._exchange(judge)
            except wire.Failed as exc:
                if loop.time() > last + STALE:
                    dependency.lost(str(exc))
            else:
                last = loop.time()
                dependency.reached()
            await asyncio.sleep(self._interval)

    async def _exchange(self, judge: Judge) -> None:
        tls = self._account.trust() if self._server.startswith("https:") else True
        async with aiohttp.ClientSession(
            self._server, connector=aiohttp.TCPConnector(ssl=tls, limit=1), timeout=_WITHIN
        ) as session:
            # As the API server's cache has it: what is a moment old is heard the next time.
            data = await self._ask(session, "GET", {"resourceVersion": "0"})
            judge.ask(data.get(QUESTION, ""))
            answer = said(judge.verdict)
            if not answer.items() <= data.items():
                await self._ask(session, "PATCH", {"fieldManager": MANAGER}, {"data": answer})

    async def _ask(
        self, session: aiohttp.ClientSession, method: str, query: Mapping[str, str], body: Any = None
    ) -> dict[str, str]:
        headers = {
            "Authorization": f"Bearer {self._account.token()}",
            "Content-Type": "application/merge-patch+json",
            "User-Agent": "chatcluster",
        }
        content = msgspec.json.encode(body) if body is not None else None
        with apiserver.understood():
            request = session.request(
                method, self._path, params=query, headers=headers, data=content, allow_redirects=False
            )
            async with request as response:
                text = await apiserver.whole(response.content, _LARGEST)
                if response.status != 200:
                    raise wire.refusal(response.status, text)
        try:
            return msgspec.json.decode(text, type=_ConfigMap).data
        except msgspec.DecodeError as exc:
            raise wire.Failed(wire.Reason.UNREADABLE, str(exc)) from exc


def said(verdict: Verdict) -> dict[str, str]:
    """The answer, as it stands in the ConfigMap; nothing while nothing is known."""
    if verdict.delivering is None:
        return {}
    return {name: str(value) for name, value in verdict.document().items()}
