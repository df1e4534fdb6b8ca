"""``python -m accelgen``: the command line."""

import sys

from accelgen.cli import main

sys.exit(main())
