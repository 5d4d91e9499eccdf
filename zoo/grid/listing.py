"""What `--list` and `--dry-run` print of a plan: its cells, their status, and what is left to do."""

from zoo.base.counts import counted
from zoo.base.helptext import terminal_columns
from zoo.base.texttable import paragraph, table
from zoo.grid.before import check_teachers, size, to_write
from zoo.grid.plan import UNREADABLE, Plan, check, skipped
from zoo.grid.speed import until_the_last
from zoo.objectives.families import SD3, beside_the_study

ENDED = ("done", "failed", "diverged", UNREADABLE)  # what a run skips


def show(plan: Plan) -> None:
    """Print the cells, how they stand and how long they take."""
    study, several = beside_the_study(plan.grid.objectives), len(plan.budgets) > 1
    rows = []
    for cell in plan.chosen:
        train = cell.config.train
        printed = [SD3[train.objective].name] if study and train.objective in SD3 else []
        times = [plan.status(cell), clock(plan.seconds(cell))]
        rows.append(
            [*([train.dataset] if several else []), train.backbone, cell.objective, *printed, str(train.seed), *times]
        )
    header = [
        *(["data set"] if several else []),
        "backbone",
        "objective",
        *(["in SD3's study"] if study else []),
        "seed",
        "status",
        "time",
    ]
    width = terminal_columns()
    print(table(header, rows, width, names=header.index("objective") + 1))
    count = f"{counted(len(plan.chosen), 'cell')} on {' and '.join(plan.budgets)}, budget {plan.kind}, in {plan.out}"
    print()
    for line in (f"grid {plan.name}: {plan.grid.description}", f"{count}; {_left(plan)}", *plan.notes()):
        print(paragraph(line, width))


def _left(plan: Plan) -> str:
    """What is still to do, in words."""
    states = [plan.status(cell) for cell in plan.chosen]
    left = [plan.seconds(cell) for cell, state in zip(plan.chosen, states, strict=True) if state not in ENDED]
    if all(state == "done" for state in states):
        return "all done"
    if all(state in ENDED for state in states):
        unreadable = states.count(UNREADABLE)
        bad = len(states) - states.count("done") - unreadable
        parts = [f"{states.count('done')} done"]
        parts += [f"{bad} failed or diverged: --retry failed tries these again"] if bad else []
        parts += [f"{unreadable} unreadable: delete the files named below"] if unreadable else []
        return ", ".join(parts)
    needed = size(to_write(plan))
    basis = f", at this machine's {plan.pace:.2g} times the grid's seconds" if plan.pace else ""
    time = until_the_last(left, [0.0] * plan.jobs)
    return f"about {clock(time)} to go with {plan.jobs} at once{basis}, {needed} to write (estimated)"


def dry_run(plan: Plan, retry: bool) -> None:
    """Print what a run would do, and check that nothing stands in its way, without writing."""
    check(plan)
    check_teachers(plan, retry)
    for cell in plan.chosen:
        status = plan.status(cell)
        verb = "skip" if skipped(status, retry) else "run"
        train = cell.config.train
        print(f"{verb:4}  {plan.folder(cell)}  ({status}; {counted(train.images, 'image')}, batch {train.batch})")


def clock(seconds: float) -> str:
    """Seconds as 45 s, 12 min or 1 h 05 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02} min"
