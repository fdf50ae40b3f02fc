"""`nearsight` and `python -m nearsight_cli`: runs the command and turns what failed into a sentence and an exit code.

0: done; 1: a bound or a gate wasn't met; 2: the input can't be used as it is; 130: stopped by Ctrl-C.
"""

import sys

from nearsight.errors import NearsightError
from nearsight_cli.app import app
from nearsight_export.errors import CertificateError, SparsityError

__all__ = ["main"]


def main() -> None:
    """Run the command line and exit."""
    try:
        app(prog_name="nearsight")
    except NearsightError as error:
        sys.stderr.write(f"nearsight: {error}\n")
        sys.exit(1 if isinstance(error, (CertificateError, SparsityError)) else 2)


if __name__ == "__main__":
    main()
