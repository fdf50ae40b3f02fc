import hashlib
import os
import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from nearsight.backends.greeting import without_greeting
from nearsight.digest import sha256


@given(st.lists(st.binary(max_size=200), max_size=4))
def test_the_digits_are_hashlibs(parts):
    digest = sha256()
    for part in parts:
        digest.update(part)
    assert digest.hexdigest() == hashlib.sha256(b"".join(parts)).hexdigest()


def test_hashing_loads_no_openssl():
    code = (
        "import numpy, sys; before = set(sys.modules); import nearsight; loaded = set(sys.modules) - before; "
        "print(*(name in loaded for name in ('_hashlib', 'zipfile', 'tempfile')))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["False", "False", "False"]


def test_only_the_greeting_is_kept_back(capfd):
    with without_greeting():
        os.write(2, b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\nERROR: something else\n")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "ERROR: something else\nafter\n"


def test_a_process_without_standard_error_goes_on():
    code = "import os; os.close(2); from nearsight.backends.greeting import without_greeting as quiet"
    code += "\nwith quiet(): print('on')"
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True).stdout == "on\n"
