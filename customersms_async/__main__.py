"""``python -m customersms_async`` is the command ``customersms``."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
