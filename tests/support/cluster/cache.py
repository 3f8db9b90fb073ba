"""What takes long to make and stays good: a folder outside of the tree, keyed by version or by content.

Owns where it is, and that an entry is whole or not there: whoever makes one is alone, and what a killed one left is
removed by the next. Whoever needs what `make test-deps` is about to put there waits until it has.
"""

import fcntl
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def root() -> Path:
    """Return the folder: $XDG_CACHE_HOME/chatcluster."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "chatcluster"


@contextmanager
def making(entry: Path) -> Iterator[Path | None]:
    """Yield a path to make an entry at, a file or a folder, which becomes the entry when the block succeeds.

    Yields None when the entry is there. A second maker of an entry called NAME-KEY waits for the first one of any KEY.
    Says when it begins: what is kept here takes long to make.
    """
    if entry.exists():  # without waiting for whoever makes another KEY
        yield None
        return
    entry.parent.mkdir(parents=True, exist_ok=True)
    with (entry.parent / f".{entry.name.rpartition('-')[0]}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if entry.exists():
            yield None
            return
        for left in entry.parent.glob(f".{entry.name}.*/"):
            shutil.rmtree(left)
        sys.stderr.write(f"Making {entry.name}, once\n")
        with tempfile.TemporaryDirectory(dir=entry.parent, prefix=f".{entry.name}.") as scratch:
            made = Path(scratch) / entry.name
            yield made
            made.rename(entry)


@contextmanager
def filling() -> Iterator[None]:
    """Have `settled` wait for the end of the block, or of this process."""
    with _locked(fcntl.LOCK_EX):
        yield


def settled() -> None:
    """Wait until nobody fills the cache."""
    with _locked(fcntl.LOCK_SH):
        pass


@contextmanager
def _locked(how: int) -> Iterator[None]:
    root().mkdir(parents=True, exist_ok=True)
    with (root() / ".filling.lock").open("w") as lock:
        fcntl.flock(lock, how)
        yield
