"""Runs a piece of code in a process that Linux kills at its first socket and at its first file opened for writing.

A filter on system calls sees what native code does as well (the telemetry of a runtime, for one), which Python's
audit hooks don't; threads and child processes inherit it. Ways around the usual calls end the process as well:
io_uring, which makes sockets of its own, openat2, and calls of another architecture. `python cage.py CODE` dies of
SIGSYS where CODE does any of that; elsewhere than on Linux it can't be used.
"""

import ctypes
import platform
import struct
import sys

# linux/bpf_common.h, linux/seccomp.h, linux/prctl.h, linux/audit.h
LOAD, JUMP_IF_EQUAL, JUMP_IF_AT_LEAST, JUMP_IF_SET, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
KILL_PROCESS, ALLOW = 0x80000000, 0x7FFF0000
NO_NEW_PRIVILEGES, SECCOMP, SECCOMP_FILTER = 38, 22, 2
NUMBER, ARCHITECTURE, THIRD_ARGUMENT = 0, 4, 32  # where `struct seccomp_data` keeps them
FOR_WRITING = 0b11  # O_WRONLY | O_RDWR
X32 = 0x40000000  # from here on, x86-64's calls with 32-bit pointers
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
OPENAT = {"x86_64": 257, "aarch64": 56}
DEADLY = {  # socket, socketpair, io_uring_setup, openat2; on x86-64 also open and creat, which no libc of today uses
    "x86_64": (41, 53, 425, 437, 2, 85),
    "aarch64": (198, 199, 425, 437),
}
POSSIBLE = sys.platform == "linux" and platform.machine() in ARCHITECTURES


class Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("rules", ctypes.c_void_p))


def rules_of(machine: str) -> list[tuple[int, int, int, int]]:
    """Code, jump if true, jump if false and value of each rule; jumps count the rules that are left out."""
    deadly = DEADLY[machine]
    kill = 8 + len(deadly)  # the last rule's place
    return [
        (LOAD, 0, 0, ARCHITECTURE),
        (JUMP_IF_EQUAL, 0, kill - 2, ARCHITECTURES[machine]),
        (LOAD, 0, 0, NUMBER),
        (JUMP_IF_AT_LEAST, kill - 4, 0, X32),
        *((JUMP_IF_EQUAL, kill - place - 1, 0, call) for place, call in enumerate(deadly, 4)),
        (JUMP_IF_EQUAL, 0, 2, OPENAT[machine]),
        (LOAD, 0, 0, THIRD_ARGUMENT),
        (JUMP_IF_SET, 1, 0, FOR_WRITING),
        (RETURN, 0, 0, ALLOW),
        (RETURN, 0, 0, KILL_PROCESS),
    ]


def close() -> None:
    rules = b"".join(struct.pack("HBBI", *rule) for rule in rules_of(platform.machine()))
    kept = ctypes.create_string_buffer(rules)
    program = Program(len(rules) // 8, ctypes.addressof(kept))
    libc = ctypes.CDLL(None, use_errno=True)
    for arguments in ((NO_NEW_PRIVILEGES, 1, 0, 0, 0), (SECCOMP, SECCOMP_FILTER, ctypes.byref(program), 0, 0)):
        if libc.prctl(*arguments):
            raise OSError(ctypes.get_errno(), "the filter was refused")


if __name__ == "__main__":
    close()
    exec(sys.argv[1])
