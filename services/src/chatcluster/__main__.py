"""`python -m chatcluster`, and the console script `chatcluster`: the command line."""

import sys


def main() -> None:
    """Run a command. What only the command line needs is not installed with the services."""
    try:
        from chatcluster.cli.app import main as run  # noqa: PLC0415 - so that its absence can be told
    except ImportError as exc:
        if exc.name not in {"typer", "rich"}:
            raise
        sys.exit(f"The command line needs {exc.name}: pip install 'chatcluster[cli]', or run make up once.")
    run()


if __name__ == "__main__":
    main()
