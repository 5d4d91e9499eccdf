"""grid.json: what the report needs to know of a grid besides its cells' results, and the command that repeats it."""

import shlex
from pathlib import Path
from typing import Any

from zoo.base.environment import git_hash, versions
from zoo.base.sealed import write_sealed
from zoo.grid.claims import resolved
from zoo.grid.plan import Plan


def write_grid(plan: Plan, options: Any) -> None:
    """Write it into the plan's output folder."""
    results = [result for cell in plan.cells if (result := plan.result(cell))]
    write_sealed(
        plan.out / "grid.json",
        {
            "name": plan.name,
            "description": plan.grid.description,
            "datasets": list(plan.budgets),
            "dataset_requested": plan.dataset_requested,
            "notice": plan.notice,
            "budget": _budget(plan),
            "budget_asked": options.budget_asked,
            "set": list(plan.set),
            "device": options.device,
            "command": reproduce(plan, options),
            "seeds": sorted({cell.config.train.seed for cell in plan.cells}),
            "objectives": list(dict.fromkeys(cell.objective for cell in plan.cells)),
            "variants": {
                name: {field: getattr(changes, field) for field in sorted(changes.model_fields_set)}
                for name, changes in plan.grid.variants.items()
                if name
            },
            "study": plan.grid.study,
            "claims": {
                dataset: resolved(plan.grid.claims, plan.grid.triples[0], {b: s.size for b, s in budget.sizes.items()})
                for dataset, budget in plan.budgets.items()
                if plan.grid.claims
            },
            "backbones": list(dict.fromkeys(cell.config.train.backbone for cell in plan.cells)),
            "jobs": plan.jobs,
            "settings": {dataset: _settings(plan, dataset) for dataset in plan.budgets},
            "sizes_note": " ".join(dict.fromkeys(b.note for b in plan.budgets.values() if b.note)) or None,
            "cells": [
                {
                    "dir": c.folder,
                    "variant": c.variant,
                    **c.config.train.model_dump(include={"dataset", "backbone", "objective", "seed"}),
                }
                for c in plan.cells
            ],
            "versions": versions(),
            "git": git_hash(),
            "judges": {result["data"]["name"]: result["judge"] for result in reversed(results)},
        },
    )


def _settings(plan: Plan, dataset: str) -> dict[str, Any]:
    """How the cells of a data set are trained and scored."""
    cells = [cell.config for cell in plan.cells if cell.config.train.dataset == dataset]
    score = cells[0].score.model_dump(mode="json")
    budget, images = plan.budgets[dataset], {config.train.backbone: config.train.images for config in cells}
    recipes = {size.size: budget.recipe_of(name) for name, size in budget.sizes.items() if size.size in images}
    shared = next(iter(recipes.values()))
    own = {key for recipe in recipes.values() for key in recipe if recipe[key] != shared[key]}
    return {
        "images": images,
        **shared,
        **{key: {backbone: recipe[key] for backbone, recipe in recipes.items()} for key in own},
        **{f"score_{key}": value for key, value in score.items() if key != "settings"},
        "score_settings": [how.name for how in cells[0].score.controls],
    }


def reproduce(plan: Plan, options: Any) -> str:
    """The command that gives the same cells on any machine; no folders of this one."""
    file = Path(options.grid).name
    given = {
        "--grid": shlex.quote(file) if file.endswith(".toml") else plan.name,
        "--dataset": shlex.quote(",".join(plan.budgets)),
        "--seeds": str(plan.seeds),
    }
    given["--budget"] = _budget(plan)
    given |= {"--backbone": options.backbone} if options.backbone else {}
    others = [cell for cell in plan.cells if cell.folder not in plan.places]
    partly = any(plan.status(cell) != "done" for cell in others)  # else the folder holds all of the grid
    given |= {"--only": shlex.quote(options.only)} if partly else {}
    given |= {"--plugin": shlex.quote(Path(options.plugin).name)} if options.plugin else {}
    given |= {"--set": " ".join(shlex.quote(text) for text in plan.set)} if plan.set else {}
    return " ".join(["python run_all.py", *(f"{flag} {value}" for flag, value in given.items())])


def _budget(plan: Plan) -> str:
    """The budget that gives the same cells anywhere: images or a share of them if asked for, else the device's kind."""
    return plan.budget_requested if plan.budget_requested[0] in "0123456789." else plan.kind
