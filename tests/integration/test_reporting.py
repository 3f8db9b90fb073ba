"""The synthetic user's report, against a stand-in for the API server: what is asked, written, and not written."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from chatcluster.client.blame import Blame, Part
from chatcluster.core import environment, health
from chatcluster.directory.apiserver import Account
from chatcluster.synthetic import reporting
from chatcluster.synthetic.reporting import Report
from chatcluster.synthetic.verdict import Judge
from support.eventually import eventually

PATH = "/api/v1/namespaces/chat/configmaps/demo-synthetic"
ENVIRON = {
    "CHATCLUSTER_DIRECTORY_CONNECT_SERVICE": "demo-connect:websocket",
    "CHATCLUSTER_DIRECTORY_NAMESPACE": "chat",
    "KUBERNETES_SERVICE_HOST": "10.96.0.1",
    "KUBERNETES_SERVICE_PORT": "443",
}
WELL = {"delivering": "True", "part": "", "message": ""}


class Server:
    """One ConfigMap, and who asks for it."""

    def __init__(self) -> None:
        self.data: dict[str, str] | None = {}
        self.status = 200
        self.asked: list[str] = []
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        """Answer a GET or a merge patch as the API server does."""
        assert request.headers["Authorization"] == "Bearer a-token"
        self.asked.append(request.method)
        if self.status != 200:
            return web.json_response({"message": "not now"}, status=self.status)
        if request.method == "PATCH":
            assert request.content_type == "application/merge-patch+json"
            assert request.query["fieldManager"] == reporting.MANAGER
            self.data = {**(self.data or {}), **(await request.json())["data"]}
        return web.json_response({"kind": "ConfigMap", **({} if self.data is None else {"data": self.data})})

    @property
    def writes(self) -> int:
        """How often it was written."""
        return self.asked.count("PATCH")


class Reported:
    """A report that is kept up to date."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.judge = Judge()
        self.readiness = health.Readiness(strict=True)
        self.dependency = self.readiness.dependency("report")
        self.report = Report(server.url, "chat", "demo-synthetic", Account(folder), 0.01)

    def judged(self, *rounds: Blame | None) -> None:
        """Judge by rounds that ended now."""
        for blame in rounds:
            self.judge.end(self.judge.begin(), blame)


@pytest.fixture(name="server")
async def _server() -> AsyncIterator[Server]:
    """Yield one on a real socket."""
    server, application = Server(), web.Application()
    application.router.add_get(PATH, server.answer)
    application.router.add_patch(PATH, server.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield server
    await runner.cleanup()


@pytest.fixture(name="reported")
async def _reported(server: Server, tmp_path: Path) -> AsyncIterator[Reported]:
    """Yield a report that is followed."""
    (tmp_path / "token").write_text("a-token\n")
    reported = Reported(server, tmp_path)
    following = asyncio.create_task(reported.report.follow(reported.judge, reported.dependency))
    yield reported
    following.cancel()
    with suppress(asyncio.CancelledError):
        await following


async def several(server: Server) -> None:
    """Wait until it has been looked at a few times more."""
    looks = len(server.asked)
    await eventually(lambda: len(server.asked) > looks + 3)


async def test_nothing_is_written_before_anything_is_known(server: Server, reported: Reported) -> None:
    """But the way there is known to be open."""
    server.data = None
    await several(server)

    assert server.writes == 0
    assert reported.readiness.ready


async def test_a_verdict_is_written_once(server: Server, reported: Reported) -> None:
    """And again when it turns; other keys are left alone."""
    server.data = {"question": "", "else": "stays"}
    reported.judged(None, None, None)
    await eventually(lambda: server.data == {"question": "", "else": "stays", **WELL, "answered": ""})
    await several(server)
    assert server.writes == 1

    reported.judged(Blame(Part.TASK, "drops"), Blame(Part.TASK, "drops"))

    await eventually(lambda: (server.data or {}).get("message") == "task: drops")
    await several(server)
    assert server.writes == 2
    assert (server.data["delivering"], server.data["part"]) == ("False", "task")


async def test_a_question_is_heard_and_its_answer_reported(server: Server, reported: Reported) -> None:
    """With what was judged after it."""
    reported.judged(None, None, None)
    server.data = {"question": "task=1"}
    await eventually(lambda: server.writes)
    await several(server)
    assert server.data == {"question": "task=1", **WELL, "answered": ""}

    reported.judged(None, None, None)

    await eventually(lambda: server.data == {"question": "task=1", **WELL, "answered": "task=1"})


async def test_what_was_written_over_is_put_right(server: Server, reported: Reported) -> None:
    """Also when the operator had to make the ConfigMap anew."""
    reported.judged(None, None, None)
    await eventually(lambda: server.writes)

    server.data = {"question": "", "delivering": "False"}

    await eventually(lambda: server.data == {"question": "", **WELL, "answered": ""})


async def test_who_cannot_report_is_not_ready(
    server: Server, reported: Reported, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody should rely on what it said last; a while without an answer is no matter."""
    await eventually(lambda: reported.readiness.ready)
    server.status = 403
    await several(server)
    assert reported.readiness.ready

    monkeypatch.setattr(reporting, "STALE", 0.0)

    await eventually(lambda: not reported.readiness.ready)
    assert "403 not now" in str(reported.dependency.problem)
    server.status = 200
    await eventually(lambda: reported.readiness.ready)


def test_a_report_is_asked_for_by_its_name() -> None:
    """Without it there is none; with it the program has to be in a pod."""
    assert Report.from_env({}, 5) is None

    environ: dict[str, Any] = {**ENVIRON, "CHATCLUSTER_SYNTHETIC_REPORT": "demo-synthetic"}
    report = Report.from_env(environ, 5)

    assert report
    assert (report._server, report._path) == ("https://10.96.0.1:443", PATH)
    with pytest.raises(environment.WrongSetting, match="CHATCLUSTER_DIRECTORY_CONNECT_SERVICE is only for pods"):
        Report.from_env({**environ, "KUBERNETES_SERVICE_HOST": ""}, 5)
