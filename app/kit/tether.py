"""Ties a child process to its parent, then becomes the wanted program: a script of `embedded`."""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Asks Linux to send SIGTERM when the parent dies, then executes `argv[2:]`; `argv[1]` is the parent's pid."""
    parent = int(sys.argv[1])
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(f"the parent {parent} died before {sys.argv[2]} could start")
    os.execv(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    main()
