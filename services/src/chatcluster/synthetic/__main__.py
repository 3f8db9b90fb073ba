"""The synthetic user as a program: `python -m chatcluster.synthetic`. It serves nothing but its health port."""

import os
from contextlib import suppress

from chatcluster.core import errors, health, runner
from chatcluster.directory import choice
from chatcluster.synthetic.account import Account
from chatcluster.synthetic.listening import Ears
from chatcluster.synthetic.reporting import Report
from chatcluster.synthetic.rounds import SEND_WITHIN, Rounds
from chatcluster.synthetic.settings import Settings
from chatcluster.synthetic.verdict import Judge


async def main(run: runner.Runner) -> None:
    """Send and listen until told to stop; then log out."""
    settings = Settings.from_env(run.environ)
    report = Report.from_env(run.environ, settings.interval)
    directory = choice.from_env(run.environ, "CONNECT", staying=True)
    readiness = health.Readiness(strict=True)
    account, judge = Account(settings.api, settings.name, settings.password, SEND_WITHIN), Judge()
    ears = Ears(account, settings.room)
    pages = {"/verdict": judge.document}
    health_port = await health.serve(run, health.Settings.from_env(run.environ), readiness, pages)
    run.spawn(directory.follow(readiness), "directory")
    run.spawn(ears.follow(directory.changes()), "ears")
    run.spawn(Rounds(settings, account, ears, judge).run(), "rounds")
    if report:
        run.spawn(report.follow(judge, readiness.dependency("report")), "report")
    run.report(health=health_port)
    await run.stopping.wait()
    readiness.drain()
    run.end()  # or what still runs would open another session
    with suppress(errors.ChatError):
        await account.close()


if __name__ == "__main__":
    runner.run(main, "synthetic", os.environ)
