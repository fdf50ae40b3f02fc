"""`nearsight` and `python -m nearsight_cli`: runs the command and turns what failed into a sentence and an exit code.

0: done; 1: a bound or a gate wasn't met; 2: the input or the place can't be used as it is; 130: stopped by Ctrl-C.
"""

import sys
from typing import NoReturn

from nearsight.errors import NearsightError
from nearsight_export.errors import CertificateError, SparsityError

__all__ = ["main"]


def main() -> None:
    """Run the command line and exit."""
    try:
        from nearsight_cli.app import app

        app(prog_name="nearsight")
    except NearsightError as error:
        _end(str(error), 1 if isinstance(error, (CertificateError, SparsityError)) else 2)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("nearsight"):
            raise  # ours to mend
        _end(f"the command line needs {error.name}, which isn't installed: pip install 'nearsight[all]'", 2)
    except OSError as error:
        if error.filename is None:
            raise
        _end(f"{error.filename} can't be used ({error.strerror}): pass another path, or mend its permissions", 2)


def _end(sentence: str, code: int) -> NoReturn:
    sys.stderr.write(f"nearsight: {sentence}\n")
    sys.exit(code)


if __name__ == "__main__":
    main()
