"""Processes that end with the one that started them, however that ends (Linux's parent-death signal)."""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def follow(parent: int) -> None:
    """Be terminated when this process's parent ends, whose number is given; called by a child first.

    SIGINT and SIGTERM are let through, which some parents block in all that they start.
    """
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:  # it died before the call above
        os._exit(128 + signal.SIGTERM)
