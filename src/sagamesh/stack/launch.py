"""Run a program that dies with its parent: `python launch.py <parent's pid> program arguments...`.

The process is replaced by the program, so it keeps its pid. Linux only, where the kernel can be asked to kill a process
once its parent is gone, however that ended. Runs without site-packages, and must import nothing of the framework: it is
started once for each part.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(parent: int, command: list[str]) -> None:
    """Ask for the signal, make sure that the parent was still there by then, and become the command."""
    libc = ctypes.CDLL(None, use_errno=True)
    # SIGKILL, because a worker whose server has gone may wait for ever on SIGTERM; every part survives it by design.
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    if os.getppid() != parent:
        sys.exit(1)
    try:
        os.execv(command[0], command)  # noqa: S606 - becoming the given program is the purpose
    except OSError as error:
        sys.exit(f"cannot run {command[0]}: {error.strerror}")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
