"""The commands and their options.

Owns what a command line may say, and how a command ends: exit codes and advice (exits). Does not own what the commands
do (accounts, messages, people, doctor, local).
"""

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from chatcluster import __version__
from chatcluster.cli import accounts, credentials, exits, messages, people, rendering
from chatcluster.cli.bench import Figures, Load, run as run_bench
from chatcluster.cli.credentials import Profile
from chatcluster.cli.diagnosis import Finding, State, culprits
from chatcluster.cli.doctor import Doctor
from chatcluster.core import errors

T = TypeVar("T")

DEFAULT_API = "http://127.0.0.1:7070"
_MARKS = {State.OK: "[green]ok[/]", State.BAD: "[red]bad[/]", State.UNKNOWN: "[yellow]?[/]"}

app = typer.Typer(
    name="chatcluster",
    help="Run ChatCluster, try it, and script with it. Each command has examples: chatcluster COMMAND --help",
    epilog="Exit codes: 0 done, 1 refused, 2 wrong command line, 3 log in first, 4 try again later, "
    "5 doctor found a culprit, 130 interrupted.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

Api = Annotated[str, typer.Option("--api", envvar="CHATCLUSTER_CLI_API", help="Where the REST api is.")]
OtherApi = Annotated[
    str, typer.Option("--api", envvar="CHATCLUSTER_CLI_API", help="Another REST api than the one of the session.")
]
Room = Annotated[str, typer.Argument(help="room:7 or just 7, dm:3:42, or inbox.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
Gateways = Annotated[list[str] | None, typer.Option("--gateway", help="A websocket address instead of the api's.")]


def main() -> NoReturn:
    """Run the command that the process was started with."""
    app(prog_name="chatcluster")
    sys.exit(0)


@app.callback(invoke_without_command=True)
def version(*, show: Annotated[bool, typer.Option("--version", help="Say the version, and end.")] = False) -> None:
    """Real-time chat: run it, try it, script with it."""
    if show:
        _print(__version__)
        raise typer.Exit


@app.command()
def up() -> None:
    """Run ChatCluster on this machine until Ctrl-C: Redis and the four programs, as `make up` does.

    Settings are environment variables, as CHATCLUSTER_LOCAL_API_PORT=8080.

    [bold]Example:[/] chatcluster up
    """
    from chatcluster.core import runner  # noqa: PLC0415 - what only this command needs takes a second to load
    from chatcluster.local import supervisor  # noqa: PLC0415

    runner.run(supervisor.main, "local", os.environ)


@app.command()
def register(name: str, api: Api = DEFAULT_API) -> None:
    """Create an account and log in. The password is asked for, or the first line of stdin.

    [bold]Examples:[/] chatcluster register ann · chatcluster register ann < password-file
    """
    _log_in(accounts.register, api, name)


@app.command()
def login(name: str, api: Api = DEFAULT_API) -> None:
    """Log in. The session is kept for you alone, in ~/.config/chatcluster/session.json.

    [bold]Examples:[/] chatcluster login ann · chatcluster login ann --api https://chat.example.com
    """
    _log_in(accounts.log_in, api, name)


@app.command()
def logout() -> None:
    """End the session, here and on the server.

    [bold]Example:[/] chatcluster logout
    """
    path = credentials.path_of(os.environ)
    kept = _or_exit(lambda: credentials.load(path), DEFAULT_API)
    try:
        _run(accounts.log_out(kept), kept.api)
    finally:
        credentials.forget(path)


@app.command()
def send(
    to: Annotated[str, typer.Argument(help="room:7 or just 7, or a person: @42.")],
    text: Annotated[list[str] | None, typer.Argument(help="The message; without it, all of stdin.")] = None,
    *,
    as_json: Json = False,
    api: OtherApi = "",
) -> None:
    """Send a message, once, and return when it is stored.

    [bold]Examples:[/] chatcluster send 7 Hello everybody · chatcluster send @42 Hi · date | chatcluster send room:ops
    """
    kept = _session(api)
    content = " ".join(text) if text else sys.stdin.read().rstrip("\n")
    _run(messages.send(kept, to, content, as_json=as_json, out=_print), kept.api)


@app.command()
def listen(  # noqa: PLR0913 - options are arguments here
    room: Room,
    *,
    as_json: Json = False,
    history: Annotated[int, typer.Option("--history", "-n", min=0, max=1000, help="So many of before first.")] = 0,
    count: Annotated[int, typer.Option(min=0, help="End after so many; 0: never.")] = 0,
    hints: Annotated[bool, typer.Option("--hints", help="Also who comes, types and reads.")] = False,
    gateway: Gateways = None,
    api: OtherApi = "",
) -> None:
    """Follow a room until Ctrl-C. Connects again by itself, and misses nothing.

    [bold]Examples:[/] chatcluster listen 7 -n 20 · chatcluster listen inbox --json | jq -r .text
    """
    kept = _session(api)
    following = messages.Following(as_json, hints, history, count, gateway or ())
    _run(messages.listen(kept, room, following, _print), kept.api)


@app.command()
def history(
    room: Room,
    *,
    limit: Annotated[int, typer.Option("-n", "--limit", min=1, max=10_000, help="So many of the newest.")] = 50,
    as_json: Json = False,
    api: OtherApi = "",
) -> None:
    """Print the newest messages of a room, the oldest first.

    [bold]Examples:[/] chatcluster history 7 -n 10 · chatcluster history dm:3:42 --json
    """
    kept = _session(api)
    _run(messages.history(kept, room, limit, as_json=as_json, out=_print), kept.api)


@app.command()
def rooms(
    *,
    keep: Annotated[str, typer.Option(help="Put this room on the list first.")] = "",
    as_json: Json = False,
    api: OtherApi = "",
) -> None:
    """List your rooms and private conversations, with what is unread.

    [bold]Examples:[/] chatcluster rooms · chatcluster rooms --keep room:7
    """
    kept = _session(api)
    if keep:
        _run(people.keep(kept, keep, out=_print), kept.api)
    _run(people.rooms(kept, as_json=as_json, out=_print), kept.api)


@app.command()
def who(room: Room, *, as_json: Json = False, api: OtherApi = "") -> None:
    """Say who is in a room now.

    [bold]Example:[/] chatcluster who 7
    """
    kept = _session(api)
    _run(people.who(kept, room, as_json=as_json, out=_print), kept.api)


@app.command()
def doctor(
    *,
    api: OtherApi = "",
    gateway: Gateways = None,
    origin: Annotated[str, typer.Option(help="Also: may pages of this origin connect?")] = "",
) -> None:
    """Check a deployment end to end, and name the culprit. Log in first, so that messages can be followed.

    [bold]Examples:[/] chatcluster doctor · chatcluster doctor --origin https://www.example.com
    """
    try:
        kept = _kept(api)
    except errors.ChatError:
        kept = Profile(api or DEFAULT_API, "", 0, "", 0)
    look = Doctor(kept.api, kept.token, kept.user_id, gateway or (), origin)
    findings = _run(_examined(look), kept.api)
    _show(findings)
    if blamed := culprits(findings):
        Console().print(f"[red]Culprit:[/] {blamed[0]}", highlight=False)
        raise typer.Exit(exits.UNHEALTHY)


@app.command()
def bench(
    *,
    clients: Annotated[int, typer.Option(min=1, max=10, help="Connections; a user has ten at most.")] = 4,
    seconds: Annotated[float, typer.Option(min=0.1, max=600)] = 10.0,
    rate: Annotated[float, typer.Option(min=0.1, max=10, help="Messages a second and connection.")] = 5.0,
    as_json: Json = False,
    gateway: Gateways = None,
    api: OtherApi = "",
) -> None:
    """Put a small load on a room of its own, and show how long messages take.

    [bold]Examples:[/] chatcluster bench · chatcluster bench --clients 8 --seconds 30
    """
    kept = _session(api)
    load = Load(clients, seconds, rate, gateway or ())
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(f"{clients} connections, {rate:g} messages a second each", total=1)
        figures = _run(run_bench(kept, load, lambda part: progress.advance(task, part)), kept.api)
    if as_json:
        for row in figures.rows():
            _print(rendering.json({"type": row.name, **row._asdict()}))
    else:
        _show_figures(figures)
    if not figures.complete.is_set():
        sys.stderr.write(f"only {len(figures.delivered)} of {figures.expected} deliveries came: chatcluster doctor\n")
        raise typer.Exit(exits.AWAY)


def _show_figures(figures: Figures) -> None:
    table = Table("", "count", "a second", "median ms", "95 % ms", "longest ms", box=None)
    for name, count, *numbers in figures.rows():
        table.add_row(name, str(count), *(f"{number:.1f}" for number in numbers))
    Console().print(table, highlight=False)


async def _examined(look: Doctor) -> list[Finding]:
    return [finding async for finding in look.examine()]


def _show(findings: list[Finding]) -> None:
    table = Table(box=None, show_header=False)
    for finding in findings:
        table.add_row(_MARKS[finding.state], finding.check, finding.seen)
        if finding.advice:
            table.add_row("", "", f"[bold]{finding.advice}[/]")
    Console().print(table, highlight=False)


def _log_in(open_session: Callable[[str, str], Coroutine[Any, Any, Profile]], api: str, name: str) -> None:
    kept = _run(open_session(api, name), api)
    path = credentials.path_of(os.environ)
    credentials.save(path, kept)
    until = datetime.fromtimestamp(kept.expires_ms / 1000, UTC).astimezone()
    _print(f"logged in as {kept.user_name} (@{kept.user_id}) until {until:%Y-%m-%d %H:%M}")


def _session(api: str) -> Profile:
    return _or_exit(lambda: _kept(api), api or DEFAULT_API)


def _kept(api: str) -> Profile:
    """The session that is kept; another api is never sent its token."""
    kept = credentials.load(credentials.path_of(os.environ))
    if api and api.rstrip("/") != kept.api.rstrip("/"):
        raise exits.NotLoggedIn(f"the session is one of {kept.api}, not of {api}")
    return kept


def _run(coroutine: Coroutine[Any, Any, T], api: str) -> T:
    return _or_exit(lambda: asyncio.run(coroutine), api)


def _or_exit(act: Callable[[], T], api: str) -> T:
    """Do something; an error is told with what to do about it, and becomes the exit code."""
    try:
        return act()
    except errors.ChatError as exc:
        hint = exits.advice(exc, api)
        sys.stderr.write(f"chatcluster: {exc}\n" + (f"{hint}\n" if hint else ""))
        raise typer.Exit(exits.code_of(exc)) from None
    except KeyboardInterrupt:
        raise typer.Exit(exits.INTERRUPTED) from None
    except BrokenPipeError:
        # Whoever read has had enough, as head does. Python would complain of it once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit from None


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
