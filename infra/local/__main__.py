"""`python -m infra.local --root DIR`: a folder's daemon in the foreground."""

import argparse
import sys
from pathlib import Path

from infra.errors import InfraError
from infra.local.serving import serve

parser = argparse.ArgumentParser(prog="python -m infra.local", description=__doc__)
parser.add_argument("--root", type=Path, required=True, help="folder of the state")
parser.add_argument("--port", type=int, default=0, help="TCP port; by default a free one")
arguments = parser.parse_args()
try:
    serve(arguments.root, arguments.port)
except InfraError as error:
    sys.exit(str(error))
