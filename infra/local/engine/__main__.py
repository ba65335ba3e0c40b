"""`python -m infra.local.engine ENGINE VERSION serve ...`: what the installed command runs."""

import sys

from infra.local.engine.launch import launch

engine, version, *words = sys.argv[1:]
sys.exit(launch(engine, version, words))
