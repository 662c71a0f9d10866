"""``python -m ffrepro``."""

import sys

from ffrepro.cli.main import main

sys.exit(main())
