"""What is said, once and in few lines, where a grid takes another data set than the one that was hoped for."""

import textwrap

from zoo.base.files import write_atomic
from zoo.base.progress import say
from zoo.grid.executor import LOG
from zoo.grid.plan import Plan

WIDTH = 96  # columns of a line


def tell(plan: Plan, verbose: bool) -> None:
    """Say the plan's notice, one sentence a line; its cause goes into the run's log, and is said too if `verbose`."""
    lines = (plan.notice or "").splitlines()
    if plan.cause:
        write_atomic(plan.out / LOG, f"{plan.notice}\n{plan.cause}\n".encode())
        lines += textwrap.wrap(plan.cause, WIDTH) if verbose else []
    say("\n".join(["", *(f"! {line}" for line in lines), ""]))
