"""`python armed.py POINT NTH COMMAND…`: the command line of `tactful`, killed when it comes to a point for the n-th time."""

import sys

from tactful import crashpoints
from tactful_workbench.cli import main

crashpoints.arm(sys.argv[1], int(sys.argv[2]))
sys.argv[1:3] = []
main()
