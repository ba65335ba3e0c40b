"""`python -m infra.local.engine VERSION serve ...`: what the installed command runs."""

import sys

from infra.local.engine.launch import launch

sys.exit(launch(sys.argv[1], sys.argv[2:]))
