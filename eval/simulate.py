"""Are the intervals right? Simulations with a known truth: python -m eval.simulate

Prints the tables that eval/README.md shows: how often tests of all pairs find a difference that is none, how often
confidence sets hold the true ranks, what the jackknife does to a small FID, the error of a difference of two FIDs that
share their noise, and how often intervals of the effects on FID are right, which a page of the grid `anatomy` shows.
Takes a few minutes on one core with the usual numbers.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from tabulate import tabulate

from zoo.base.counts import counted
from zoo.base.errors import ZooError, run_main
from zoo.base.options import option
from zoo.cli import parse

SEEDS = (3, 5, 10)


@dataclass
class Options:
    """How much to simulate."""

    replicates: int = option(400, "simulated tables for each line about ranks")
    samples: int = option(200, "simulated scores for each line about FID")
    seed: int = option(0, "of all random numbers")


def tables(options: Options) -> Iterator[tuple[str, str]]:
    """(title, Markdown table) of each simulation, as it is done."""
    from eval.ranks.effecttrials import trial as effects  # NumPy and torch, which --help does without
    from eval.ranks.trials import LAWS, TRUTHS, distinguished, trial
    from eval.scores.trials import jackknife, paired_errors

    count, seed = options.replicates, options.seed
    rows = []
    for seeds in SEEDS:
        for law, draw in LAWS.items():
            found = {name: trial(draw, truth, seeds, count, seed) for name, truth in TRUTHS.items()}
            false = [f"{100 * one.false:.1f}" for one in found.values()]
            covered = f"{100 * min(one.covered for one in found.values()):.1f}"
            power = [f"{100 * found[name].found:.0f}" for name in ("as MNIST", "as digits")]
            sure = sum(one.sure for name, one in found.items() if name.startswith("as"))
            right = sum(one.sure * one.right for name, one in found.items() if name.startswith("as") and one.sure)
            rows.append([seeds, law, *false, covered, *power, f"{100 * right / sure:.0f}" if sure else "-"])
    names = [f"false, {name}, %" for name in TRUTHS]
    header = ["seeds", "runs vary", *names, "all ranks covered, %", "found on MNIST, %", "found on digits, %"]
    yield "Ranks and tests of all pairs", _table(rows, [*header, "right where P(first) > .9, %"])

    tried = (2, *SEEDS)
    rows = [
        [name, *(f"{100 * distinguished(TRUTHS[name], seeds, count, seed):.0f}%" for seeds in tried)]
        for name in ("as MNIST", "as digits")
    ]
    header = ["objectives", *(counted(seeds, "seed") for seeds in tried)]
    yield "The best distinguished from each of the last three", _table(rows, header)

    rows = []
    for truth in (0.11, 1.39, 5.0):
        for n in (150, 300, 600):
            one = jackknife(truth, n, options.samples, seed)
            rows.append([truth, n, f"{one['plain']:.2f}", f"{one['mean']:.2f}", f"{100 * one['covered']:.0f}%"])
    yield "The jackknife near the floor", _table(rows, ["true FID", "n", "plain", "corrected", "interval covers"])

    rows = []
    for n in (300, 600):
        one = paired_errors(n, options.samples, seed)
        rows.append([n, *(f"{one[key]:.2f}" for key in ("true", "paired", "unpaired")), f"{100 * one['covered']:.0f}%"])
    header = ["n", "true error", "paired by block", "as if independent", "paired interval covers"]
    yield "The error of a difference of two FIDs with shared noise", _table(rows, header)

    rows = []
    for seeds in (2, 3, 5):
        for spread in (0.1, 0.3):
            each = effects(seeds, spread, count, seed)
            shares = (each.false, each.found, each.covered)
            rows.append([seeds, spread, f"{100 * shares[0]:.1f}", *(f"{100 * share:.0f}%" for share in shares[1:])])
    header = ["seeds", "runs vary by", "false, all equal, %", "found of plain targets", "intervals cover"]
    yield "Effects of target and density", _table(rows, header)


def _table(rows: list[list[object]], header: list[str]) -> str:
    return tabulate(rows, header, tablefmt="pipe", disable_numparse=True)


def main() -> None:
    """The command line; see the module's first line."""
    options = parse(Options, "python -m eval.simulate", __doc__)
    if min(options.replicates, options.samples) < 2:
        raise ZooError("--replicates and --samples have to be at least 2")
    for title, table in tables(options):
        print(f"### {title}\n\n{table}\n", flush=True)


if __name__ == "__main__":
    run_main(main)
