"""``python -m qstate.cli``, where the command is not on the path."""

import sys

from qstate.cli import main

if __name__ == "__main__":
    sys.exit(main())
