"""`python -m chatcluster.local`: what `make up` runs."""

import os

from chatcluster.core import runner
from chatcluster.local import supervisor

if __name__ == "__main__":
    runner.run(supervisor.main, "local", os.environ)
