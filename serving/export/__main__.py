"""`python -m serving.export`: see serving.export.exporter."""

import sys

from serving.export.exporter import main

sys.exit(main())
