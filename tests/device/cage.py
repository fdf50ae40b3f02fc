"""Runs a piece of code in a process that Linux kills at its first socket and at its first file opened for writing.

A filter on system calls sees what native code does as well (the telemetry of a runtime, for one), which Python's audit
hooks don't. `python cage.py CODE` dies of SIGSYS where CODE does either; elsewhere than on Linux it can't be used.
"""

import ctypes
import platform
import struct
import sys

# linux/bpf_common.h, linux/seccomp.h, linux/prctl.h
LOAD, JUMP_IF_EQUAL, JUMP_IF_SET, RETURN = 0x20, 0x15, 0x45, 0x06
KILL_PROCESS, ALLOW = 0x80000000, 0x7FFF0000
NO_NEW_PRIVILEGES, SECCOMP, SECCOMP_FILTER = 38, 22, 2
NUMBER, THIRD_ARGUMENT = 0, 32  # where `struct seccomp_data` keeps them
FOR_WRITING = 0b11  # O_WRONLY | O_RDWR
CALLS = {"x86_64": {"socket": 41, "openat": 257}, "aarch64": {"socket": 198, "openat": 56}}
POSSIBLE = sys.platform == "linux" and platform.machine() in CALLS


class Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("rules", ctypes.c_void_p))


def close() -> None:
    calls = CALLS[platform.machine()]
    rules = b"".join(
        struct.pack("HBBI", code, if_true, if_false, value)
        for code, if_true, if_false, value in (
            (LOAD, 0, 0, NUMBER),
            (JUMP_IF_EQUAL, 4, 0, calls["socket"]),
            (JUMP_IF_EQUAL, 0, 2, calls["openat"]),
            (LOAD, 0, 0, THIRD_ARGUMENT),
            (JUMP_IF_SET, 1, 0, FOR_WRITING),
            (RETURN, 0, 0, ALLOW),
            (RETURN, 0, 0, KILL_PROCESS),
        )
    )
    kept = ctypes.create_string_buffer(rules)
    program = Program(len(rules) // 8, ctypes.addressof(kept))
    libc = ctypes.CDLL(None, use_errno=True)
    for arguments in ((NO_NEW_PRIVILEGES, 1, 0, 0, 0), (SECCOMP, SECCOMP_FILTER, ctypes.byref(program), 0, 0)):
        if libc.prctl(*arguments):
            raise OSError(ctypes.get_errno(), "the filter was refused")


if __name__ == "__main__":
    close()
    exec(sys.argv[1])
