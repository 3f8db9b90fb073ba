"""The way to the Kubernetes API server, as far as a directory needs it: the EndpointSlices of one Service.

Owns the two requests, list and watch: in whose name they are made, how long and how much of an answer is waited for.
Does not own when to ask (kubernetes), what answers mean (wire), or the view (view). By hand on aiohttp, because the
`kubernetes` package would add 58 MB to every pod for these two.

Whatever goes wrong is a `wire.Failed`; no other exception gets out of here.
"""

import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from aiohttp.http_exceptions import LineTooLong

from chatcluster.directory import wire
from chatcluster.directory.slices import EndpointSlice
from chatcluster.directory.wire import Reason

MAX_LINE_BYTES = 1024 * 1024
"""Of one event. A slice has at most 1,000 endpoints of some 400 bytes."""
MAX_PAGE_BYTES = 8 * 1024 * 1024
"""Of one page of a list."""
MAX_PAGES = 20
"""Of one list."""
PAGE = 500
"""Slices on a page."""

_MAX_EXPLANATION_BYTES = 4 * 1024
_HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "chatcluster"}

_MEANING: tuple[tuple[tuple[type[Exception], ...], Reason], ...] = (
    ((aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError), Reason.CONNECT),
    ((TimeoutError,), Reason.SILENT),
    ((LineTooLong,), Reason.TOO_LARGE),
    ((aiohttp.ClientError, OSError), Reason.CUT),
)
"""What exceptions of aiohttp say; the first that fits."""


@dataclass(frozen=True, slots=True)
class Account:
    """The pod's service account: a folder with `token` and `ca.crt`, which the kubelet renews."""

    folder: Path

    def token(self) -> str:
        """By which to be known now. Raises `Failed`."""
        try:
            return (self.folder / "token").read_text("ascii").strip()
        except (OSError, ValueError) as exc:
            raise wire.Failed(Reason.ACCOUNT, str(exc)) from exc

    def trust(self) -> ssl.SSLContext:
        """Trust in the cluster's own CA, and in no other. Raises `Failed`."""
        authority = self.folder / "ca.crt"
        try:
            return ssl.create_default_context(cafile=authority)
        except OSError as exc:
            raise wire.Failed(Reason.ACCOUNT, f"{authority}: {exc}") from exc


@dataclass(frozen=True, slots=True)
class Patience:
    """How long an answer may take, in seconds."""

    connecting: float = 5.0
    page: float = 30.0
    """One page of a list, from first to last."""
    silence: float = 70.0
    """Between two pieces of a watch. An API server whose etcd reports progress, as kubeadm sets it up, sends a bookmark
    every 60 when there is nothing else to say; another one may have nothing to say for longer."""


@dataclass(frozen=True, slots=True)
class Target:
    """The EndpointSlices of one Service."""

    url: str
    """Of the API server: https, or http where there is no secret to keep."""
    namespace: str
    service: str

    @property
    def path(self) -> str:
        """Of the collection that they are in."""
        return f"/apis/discovery.k8s.io/v1/namespaces/{self.namespace}/endpointslices"

    @property
    def selector(self) -> str:
        """Which of the collection they are."""
        return f"kubernetes.io/service-name={self.service}"


class Connection:
    """A connection to the API server. All methods raise `Failed`."""

    def __init__(self, session: aiohttp.ClientSession, target: Target, account: Account, patience: Patience) -> None:
        self._session = session
        self._target = target
        self._account = account
        self._patience = patience

    async def list_all(self) -> tuple[Mapping[str, EndpointSlice], str]:
        """All slices by name as they stand now, and the version from which to watch."""
        slices: dict[str, EndpointSlice] = {}
        following = ""
        for _ in range(MAX_PAGES):
            page = await self._page(following)
            slices |= {found.metadata.name: found for found in page.items or ()}
            following = page.metadata.following
            if not following:
                return slices, page.metadata.resource_version
        raise wire.Failed(Reason.TOO_LARGE, f"more than {MAX_PAGES} pages of {PAGE} slices")

    @asynccontextmanager
    async def watch(self, version: str, seconds: int) -> AsyncIterator[AsyncIterator[wire.Event]]:
        """Read what happens after a version, for so many seconds; then the events end.

        Entered when the API server has agreed. `Failed` may also come while the events are read.
        """
        parameters = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(seconds),
        }
        silence = self._patience.silence
        timeout = aiohttp.ClientTimeout(
            total=seconds + silence, sock_connect=self._patience.connecting, sock_read=silence
        )
        async with self._get(parameters, timeout) as content:
            yield _events(content)

    async def _page(self, following: str) -> wire.Page:
        parameters = {"limit": str(PAGE), **({"continue": following} if following else {})}
        timeout = aiohttp.ClientTimeout(total=self._patience.page, sock_connect=self._patience.connecting)
        async with self._get(parameters, timeout) as content:
            return wire.page(await whole(content, MAX_PAGE_BYTES))

    @asynccontextmanager
    async def _get(
        self, parameters: Mapping[str, str], timeout: aiohttp.ClientTimeout
    ) -> AsyncIterator[aiohttp.StreamReader]:
        request = self._session.get(
            self._target.path,
            params={"labelSelector": self._target.selector, **parameters},
            headers={"Authorization": f"Bearer {self._account.token()}"},
            timeout=timeout,
            allow_redirects=False,
        )
        with understood():
            async with request as response:
                if response.status != 200:
                    raise wire.refusal(response.status, await response.content.read(_MAX_EXPLANATION_BYTES))
                yield response.content


@asynccontextmanager
async def connection(target: Target, account: Account, patience: Patience) -> AsyncIterator[Connection]:
    """Give a new connection, which trusts what the account's CA vouches for now. Raises `Failed`.

    It is made when it is first used. Whatever was wrong with an earlier one is not wrong with this one.
    """
    tls = account.trust() if target.url.startswith("https:") else True
    connector = aiohttp.TCPConnector(ssl=tls, limit=1)
    async with aiohttp.ClientSession(target.url, connector=connector, headers=_HEADERS) as session:
        yield Connection(session, target, account, patience)


async def whole(content: aiohttp.StreamReader, most: int) -> bytes:
    """All of an answer, which comes in pieces. Raises `Failed` when it is of more than so many bytes."""
    body = bytearray()
    async for piece in content.iter_any():
        body += piece
        if len(body) > most:
            raise wire.Failed(Reason.TOO_LARGE, f"an answer of more than {most} bytes")
    return bytes(body)


async def _events(content: aiohttp.StreamReader) -> AsyncIterator[wire.Event]:
    while line := await _line(content):
        yield wire.event(line)


async def _line(content: aiohttp.StreamReader) -> bytes:
    try:
        return await content.readline(max_line_length=MAX_LINE_BYTES)
    except TimeoutError as exc:
        raise wire.Failed(Reason.STALLED, "the watch brought nothing for too long") from exc


@contextmanager
def understood() -> Iterator[None]:
    """Make a `Failed` of what aiohttp raises."""
    try:
        yield
    except tuple(kind for kinds, _ in _MEANING for kind in kinds) as exc:
        reason = next(reason for kinds, reason in _MEANING if isinstance(exc, kinds))
        raise wire.Failed(reason, f"{type(exc).__name__}: {exc}", stale=reason is Reason.TOO_LARGE) from exc
