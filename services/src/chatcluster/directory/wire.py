"""What the Kubernetes API server answers, and what that means for whoever asked.

Owns events, pages and errors as they stand in its answers, and the kinds of failure. Does not own how answers come here
(apiserver), nor what an EndpointSlice says (slices). Pure.
"""

from enum import StrEnum

import msgspec

from chatcluster.directory.slices import EndpointSlice, Metadata

_EXPLANATION = 300
"""Characters of an explanation that are passed on."""


class Reason(StrEnum):
    """Why a request failed; a metric's label."""

    ACCOUNT = "account"
    """The service account's files cannot be read."""
    CONNECT = "connect"
    """No connection, or none to a server that the CA vouches for."""
    SILENT = "silent"
    """No answer in time."""
    STALLED = "stalled"
    """A watch that brought nothing for too long."""
    CUT = "cut"
    """The connection ended in the middle of an answer."""
    GONE = "gone"
    """410: what came after this version is not known any more."""
    REFUSED = "refused"
    """401 or 403."""
    STATUS = "status"
    """Any other status than 200."""
    ERROR = "error"
    """An event of type ERROR that is no 410."""
    UNREADABLE = "unreadable"
    """Not the JSON that was expected."""
    TOO_LARGE = "too_large"
    """Larger than is read."""


class Failed(Exception):
    """A list or a watch that failed."""

    def __init__(self, reason: Reason, detail: str, *, stale: bool = False) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.stale = stale
        """Watching on from the last version would fail again, or leave something out: everything is to be listed."""


class Event(msgspec.Struct, frozen=True):
    """What happened to one slice: ADDED, MODIFIED, DELETED; or how far the API server has come: BOOKMARK."""

    type: str
    slice: EndpointSlice

    @property
    def version(self) -> str:
        """From which to watch on, once this event was taken in."""
        return self.slice.metadata.resource_version


class PageMetadata(msgspec.Struct, frozen=True, rename="camel"):
    """Of one page of a list."""

    resource_version: str = ""
    following: str = msgspec.field(default="", name="continue")
    """By which to ask for the next page; empty on the last."""


class Page(msgspec.Struct, frozen=True):
    """One page of a list."""

    metadata: PageMetadata
    items: tuple[EndpointSlice, ...] | None = None


class _Event(msgspec.Struct, frozen=True):
    type: str
    object: msgspec.Raw


class _Bookmark(msgspec.Struct, frozen=True):
    metadata: Metadata


class _Status(msgspec.Struct, frozen=True):
    code: int = 0
    message: str = ""


def event(line: bytes) -> Event:
    """Read one line of a watch. Raises `Failed`, always `stale`: what else the line said would be left out."""
    if not line.endswith(b"\n"):
        raise Failed(Reason.CUT, f"in the middle of an event, after {len(line)} bytes")
    try:
        raw = msgspec.json.decode(line, type=_Event)
        if raw.type == "ERROR":
            status = msgspec.json.decode(raw.object, type=_Status)
            reason = Reason.GONE if status.code == 410 else Reason.ERROR
            raise Failed(reason, f"{status.code} {status.message[:_EXPLANATION]}", stale=True)
        return _meaning(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise Failed(Reason.UNREADABLE, str(exc), stale=True) from exc


def page(body: bytes) -> Page:
    """Read one page of a list. Raises `Failed`."""
    try:
        found = msgspec.json.decode(body, type=Page)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise Failed(Reason.UNREADABLE, str(exc)) from exc
    if not found.metadata.resource_version:
        raise Failed(Reason.UNREADABLE, "a list without a version")
    return found


def refusal(status: int, body: bytes) -> Failed:
    """What an HTTP status other than 200 means. It says nothing of the version when it is about the caller (401, 403),
    the load (429) or the server (5xx).
    """
    reason = {401: Reason.REFUSED, 403: Reason.REFUSED, 410: Reason.GONE}.get(status, Reason.STATUS)
    passing = status in {401, 403, 429} or status >= 500
    return Failed(reason, f"{status} {_explanation(body)}", stale=not passing)


def _meaning(raw: _Event) -> Event:
    match raw.type:
        case "ADDED" | "MODIFIED" | "DELETED":
            found = msgspec.json.decode(raw.object, type=EndpointSlice)
        case "BOOKMARK":
            found = EndpointSlice(msgspec.json.decode(raw.object, type=_Bookmark).metadata)
        case _:
            raise Failed(Reason.UNREADABLE, f"an event of type {raw.type[:_EXPLANATION]!r}", stale=True)
    if not found.metadata.resource_version:
        raise Failed(Reason.UNREADABLE, f"an event of type {raw.type} without a version", stale=True)
    return Event(raw.type, found)


def _explanation(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=_Status).message[:_EXPLANATION]
    except (msgspec.DecodeError, UnicodeDecodeError):
        return body[:_EXPLANATION].decode(errors="replace")
