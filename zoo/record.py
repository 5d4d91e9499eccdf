"""grid.json: what the report needs to know of a grid besides its cells' results, and the command that repeats it."""

from pathlib import Path

from zoo import plan as plans
from zoo.environment import git_hash, versions
from zoo.files import read_json, write_json
from zoo.plan import Plan


def write_grid(plan: Plan, options) -> None:
    """Write it into the plan's output folder."""
    budget, judge = plan.budget, None
    for cell in plan.cells:
        if (path := plan.folder(cell) / "result.json").is_file():
            judge = read_json(path)["judge"]
            break
    write_json(
        plan.out / "grid.json",
        {
            "schema_version": plans.SCHEMA_VERSION,
            "name": plan.name,
            "description": plan.grid.description,
            "dataset": plan.dataset,
            "dataset_requested": plan.dataset_requested,
            "notice": plan.notice,
            "budget": plan.budget_requested if plan.budget_requested.isdecimal() else budget.name,
            "device": options.device,
            "command": reproduce(plan, options),
            "seeds": list(range(plan.seeds)),
            "objectives": list(plan.grid.objectives),
            "backbones": [budget.sizes[name].size for name in plan.grid.backbones],
            "settings": {
                "images": {c.config.train.backbone: c.config.train.images for c in plan.cells},
                **budget.recipe.model_dump(mode="json"),
                "jobs": plan.jobs,
                **{f"score_{key}": value for key, value in budget.score.model_dump(mode="json").items()},
            },
            "sizes_note": budget.note or None,
            "cells": [
                {"dir": c.folder, **c.config.train.model_dump(include={"dataset", "backbone", "objective", "seed"})}
                for c in plan.cells
            ],
            "versions": versions(),
            "git": git_hash(),
            "judge": judge,
        },
    )


def reproduce(plan: Plan, options) -> str:
    """The command that gives the same cells on any machine; no folders of this one."""
    given = {"--grid": plan.name, "--dataset": plan.dataset, "--seeds": str(plan.seeds)}
    given["--budget"] = plan.budget_requested if plan.budget_requested.isdecimal() else plan.budget.name
    given |= {"--plugin": Path(options.plugin).name} if options.plugin else {}
    return " ".join(["python run_all.py", *(f"{flag} {value}" for flag, value in given.items())])
