"""`python skewed.py FILE COMMAND…`: the command line of `tactful` on a machine whose wall clock is off by as many seconds as FILE says
now."""

import sys
import time
from pathlib import Path

from tactful_workbench.cli import main

_file = Path(sys.argv[1])
_true = time.time_ns


def _off() -> int:
    return round(1e9 * float(_file.read_text() or 0))


time.time_ns = lambda: _true() + _off()
time.time = lambda: time.time_ns() / 1e9
sys.argv[1:2] = []
main()
