"""Processes that end with the one that started them, however that ends (Linux's parent-death signal).

A worker follows its driver, or the actor on a node that started it; a rank follows its launcher. Without this, what a
killed process had started would go on, and hold its memory, its GPU and the lock of its folder.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # of Linux's prctl: the signal for a process whose parent has ended


def follow(parent: int) -> None:
    """Be terminated when this process's parent ends, whose number is given; called by a child first.

    SIGINT and SIGTERM are let through, which some parents block in all that they start. Elsewhere than on Linux a child
    ends with its parent only if it reads from it, as workers do.
    """
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    # the parent may have died before the call above, which then never sends the signal
    if os.getppid() != parent:
        os._exit(128 + signal.SIGTERM)
