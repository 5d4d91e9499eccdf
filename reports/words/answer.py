"""The answer first: which objective leads, which cannot be distinguished from it, what else would change the order.

Where a grid is unfinished or runs failed, objectives are compared only where all of them have a run.
"""

from collections.abc import Sequence
from typing import Any

from eval.ranks.board import KEYS, board
from eval.ranks.paired import sampled
from eval.ranks.table import Entry, scores_of
from eval.ranks.text import interval_text
from reports.read.run import Run
from reports.read.setting import Setting
from reports.words.agreement import by_fronts, by_guidance, over_training, varies
from reports.words.best import at_best
from reports.words.document import Block, Bold, Bullets, Code, Mark, Paragraph, Text
from reports.words.fewsteps import one_step
from reports.words.forms import FEW, names, percent
from zoo.base.counts import counted

CHANCE = 0.1  # accuracy of guessing


def answer(run: Run, running: bool = False) -> list[Block]:
    """What stands at the top of the page: the sentences, and how many cells they rest on.

    running: the grid is at work; cells without a file are still to come.
    """
    entries, objectives = ground(run.entries, run.objectives)
    kind = "note" if running else "plain"
    if not entries:
        return [Paragraph(_state(run, entries, objectives, (), running), kind)]
    found = run.board if len(entries) == len(run.cells) else board(entries, objectives)
    told = [Bullets(tuple(sentences(run, entries, objectives, found)))] if run.ranks_objectives else []
    lacking = [row["objective"] for row in found["rows"] if row["incomplete"]]
    return [*told, *_untrained(run), Paragraph(_state(run, entries, objectives, lacking, running), kind)]


def ground(entries: Sequence[Entry], objectives: Sequence[str]) -> tuple[list[Entry], list[str]]:
    """(the runs that may be compared, their objectives).

    They are those on the data sets and backbones where the most objectives have a run, and on all others where the
    same ones do. A run that diverged counts: it ranks last.
    """
    ended: dict[tuple[str, str], set[str]] = {}
    for entry in entries:
        if entry.status == "diverged" or entry.rows:
            ended.setdefault((entry.dataset, entry.backbone), set()).add(entry.objective)
    scored = dict.fromkeys((entry.dataset, entry.backbone) for entry in entries if entry.rows)
    most = max((ended[place] for place in scored), key=len, default=set())
    places = [place for place in scored if ended[place] >= most]
    kept = [e for e in entries if (e.dataset, e.backbone) in places and e.objective in most]
    return kept, [name for name in objectives if name in most]


def sentences(run: Run, entries: Sequence[Entry], objectives: Sequence[str], found: dict[str, Any]) -> list[Text]:
    """The verdict first; then what FID alone, the backbone, the data set and the time of training change.

    Where a grid asks what to train with for few steps, that stands before the verdict over all numbers of steps.
    found: the board of these entries.
    """
    scores = scores_of(entries, KEYS, objectives)
    if len(objectives) == 1:
        told: list[Text | None] = [_alone(run, objectives[0])]
    else:
        rows = [row for row in found["rows"] if row["rank"] is not None]
        lead, others = rows[0]["objective"], [row["objective"] for row in rows[1:]]
        told = [_leader(found)]
        if rows[0]["low"] is None:
            told.append(_by_sampling(lead, others, entries, found["ended"]))
        told.append(by_fronts(scores, lead, found["sensitivity"].get("mean Pareto fronts of FID and accuracy")))
        fids = {row["objective"]: row["fid"] for row in rows if row["fid"] is not None}
        told.append(at_best(run, entries, objectives, fids))
        told.append(by_guidance(scores))
    told.append(varies(scores, lambda control: scores.families[control.backbone], "backbone"))
    if len(found["datasets"]) > 1:
        told.append(varies(scores, lambda control: control.dataset, "data set"))
    told.append(over_training(run))
    return [*one_step(run), *(text for text in told if text)]


def _state(
    run: Run, entries: Sequence[Entry], objectives: Sequence[str], lacking: Sequence[str], running: bool
) -> Text:
    """How many cells are done, and what of the run the sentences leave out."""
    states = [cell.status for cell in run.cells]
    others = sorted(set(states) - {"done"} - ({"missing"} if running else set()))
    rest = ", ".join(f"{states.count(state)} {state}" for state in others)
    text: list[Mark] = ["The grid is at work: "] if running else []
    text += [f"{len(run.done)} of {counted(len(states), 'cell is', 'cells are')} done"]
    text += [f"; {rest} (see Failures)." if rest else "."]
    text += [f" {states.count('missing')} to come; what stands here will change."] if running else []
    if not entries:
        return (*text, " Nothing can be compared yet.")
    places = dict.fromkeys(f"{e.backbone} on {e.dataset}" for e in run.entries if e.rows)
    used = dict.fromkeys(f"{e.backbone} on {e.dataset}" for e in entries)
    if out := [name for name in run.objectives if name not in objectives]:
        text += [" Left out above, for want of a run: ", *names(out), "."]
    if unused := [place for place in places if place not in used]:
        text += [f" Left out, for not all objectives have a run there: {', '.join(unused)}."]
    if lacking:
        text += [" Runs are missing of ", *names(lacking), ": these ranks are among what there is."]
    return tuple(text)


def _untrained(run: Run) -> list[Block]:
    """A warning of data sets and backbones where no objective has learned to draw what it is asked for."""
    blocks: list[Block] = []
    for part in (run.on(dataset) for dataset in run.datasets):
        for backbone in part.backbones:
            found = {
                name: [stat.mean for setting in part.settings if (stat := part.stat(backbone, name, setting, "acc"))]
                for name in part.objectives
            }
            best = max((max(shares) for shares in found.values() if shares), default=None)
            if best is not None and best < 2 * CHANCE:
                text = (
                    f"{backbone} on {part.datasets[0]} has not learned to draw what it is asked for, whatever the "
                    f"objective: accuracy is {100 * best:.0f}% at most, and chance is {100 * CHANCE:.0f}%. Ranks there "
                    "mean little."
                )
                blocks.append(Paragraph(text, "warning"))
            elif weak := [name for name, shares in found.items() if shares and min(shares) < 2 * CHANCE]:
                verb = "draws what it is" if len(weak) == 1 else "draw what they are"
                told: Text = (
                    f"{backbone} on {part.datasets[0]}: ",
                    *names(weak),
                    f" hardly {verb} asked for under some settings: accuracy is as low as "
                    f"{100 * min(min(found[name]) for name in weak):.0f}%, and chance is {100 * CHANCE:.0f}%. Such "
                    "runs have learned little, and differences between them say little.",
                )
                blocks.append(Paragraph(told, "warning"))
    return blocks


def _alone(run: Run, name: str) -> Text:
    setting, parts = run.highest, []
    for part in (run.on(dataset) for dataset in run.datasets):
        for backbone in part.backbones:
            if stat := part.stat(backbone, name, setting, "fid"):
                error = "no error known" if not stat.se else f"standard error {stat.se:.2f}"
                parts.append(f"{stat.mean:.2f} ({error}) for {backbone} on {part.datasets[0]}")
    scores = f" FID with {setting.kind} weights, {run.label(setting)}: {'; '.join(parts)}." if parts else ""
    return (Bold(name), f" is the only objective that was scored, so there is nothing to rank.{scores}")


def _leader(found: dict[str, Any]) -> Text:
    """The verdict: `rf is first. Its rank by FID is 1 ..`, or that there is no clear winner, and why."""
    rows = [row for row in found["rows"] if row["rank"] is not None]
    lead = rows[0]
    ties = [row["objective"] for row in rows if row["rank"] == lead["rank"]]
    others = [row["objective"] for row in rows if row["objective"] not in ties]
    alike = [name for name in lead["alike"] if name != lead["objective"]]
    chance = f", a chance of first place of {percent(lead['first'])}" if lead["first"] is not None else ""
    ends = "" if lead["low"] is None else f" (95% confidence set of its rank: {interval_text(lead)}{chance})"
    over = f"over {counted(found['settings'], 'control setting')} ({', '.join(found['families'])}; "
    over += f"{', '.join(found['datasets'])})"
    if len(ties) > 1:
        ends = _shared(rows[: len(ties)])
        text = (
            Bold("No clear winner."),
            " ",
            *names(ties),
            f" share the first place of {counted(len(rows), 'objective')}, each ",
        )
        text += (f"with rank {lead['rank']:.0f} by FID{ends} {over}",)
    else:
        name = lead["objective"]
        clear = lead["low"] is not None and not alike and found["ended"] >= FEW
        many = counted(len(rows), "objective")
        text = (Bold(name), f" is first of {many}: ") if clear else (
            Bold("No clear winner."), " ", Code(name), f" comes first of {many}: ")  # fmt: skip
        text += (f"its rank by FID is {lead['rank']:.0f}{ends} {over}",)
    if found["ended"] < 2:
        return (
            *text,
            ". This is from one seed, a sketch: training again may change the order.",
        )
    if lead["low"] is None:
        return (*text, ". Some objectives have one run only, so that there are no confidence sets yet.")
    if found["ended"] < FEW:
        text += (f". {counted(found['ended'], 'seed is', 'seeds are')} too few to claim an order",)
    return (*text, ". ", *_apart(Code(lead["objective"]), alike, [name for name in others if name not in alike]))


def _shared(rows: Sequence[dict[str, Any]]) -> str:
    """` (95% confidence sets of their ranks: 1 to 2 and 1 to 3; chances of first place of 70% and 22%)`."""
    if any(row["low"] is None for row in rows):
        return ""
    sets = [interval_text(row) for row in rows]
    told = f"set of its rank: {sets[0]}" if len(set(sets)) == 1 else f"sets of their ranks: {_listed(sets)}"
    chances = [percent(row["first"]) for row in rows if row["first"] is not None]
    return f" (95% confidence {told}{f'; chances of first place of {_listed(chances)}' if chances else ''})"


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _apart(lead: Code, alike: Sequence[str], behind: Sequence[str]) -> tuple[Mark, ...]:
    """Who cannot be distinguished from the first, and how many can."""
    if not alike:
        whole = {1: "The other one is", 2: "Both others are"}.get(len(behind), f"All {len(behind)} others are")
        return (f"{whole} worse than ", lead, " by more than seeds explain.")
    rest = f" The other {'one is' if len(behind) == 1 else f'{len(behind)} are'} worse." if behind else ""
    return (lead, " cannot be distinguished from ", *names(alike), f".{rest}")


def _by_sampling(lead: str, others: Sequence[str], entries: Sequence[Entry], seeds: int) -> Text:
    """Whose FID is above the leader's by more than sampling explains, under every control setting that has both."""
    runs = {(e.objective, (e.dataset, e.backbone, e.seed)): {Setting.of(row): row for row in e.rows} for e in entries}
    clear, near = list[str](), list[str]()
    for name in others:
        tests = [
            found.low is not None and found.low > 0
            for (objective, cell), rows in runs.items()
            for setting, row in rows.items()
            if objective == lead
            and (other := runs.get((name, cell), {}).get(setting))
            and (found := sampled([(other, row)], "fid"))
        ]
        (clear if tests and all(tests) else near).append(name)
    runs_of = "one run of each" if seeds < 2 else "one run of some"
    why = f"What training again would change is not known from {runs_of}. By the error of sampling alone, "
    text: list[Mark] = [why]
    if not clear:
        return (*text, "no other objective has a higher FID than ", Code(lead), " under every control setting.")
    text += names(clear) if near else ["the other one" if len(others) == 1 else f"all {len(others)} others"]
    text += [f" {'has' if len(clear) == 1 else 'have'} a higher FID than ", Code(lead), " under every control setting"]
    return (*text, "; not so ", *names(near), ".") if near else (*text, ".")
