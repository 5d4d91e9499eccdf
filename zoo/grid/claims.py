"""Claims in a grid's file: what somebody says of diffusion training, as a question that the grid's cells can answer.

    [[claims]]
    text = "Offset noise changes nothing"
    expect = "no effect"
    changed = { objective = "rf/lognorm(0,1)+offset(0.1)" }

A claim compares the cells of `changed` with those of `against`; what either does not name is the grid's first. Or it is
about loss and quality, `over` cells or time, and compares none. torch is not imported here.
"""

from collections.abc import Collection, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from zoo.base.errors import ZooError, choose
from zoo.config.cell import BackboneName, ObjectiveName
from zoo.config.schema import Frozen

Triple = tuple[str, str, str]  # backbone, objective, variant


class Arm(Frozen):
    """Some cells of the grid; None for the grid's first."""

    objective: ObjectiveName | None = None
    backbone: BackboneName | None = None
    variant: str | None = None


class Claim(Frozen):
    """A sentence, and how it is tested.

    expect: that FID of `changed` is lower than that of `against` (better), higher (worse), or the same within a margin
    (no effect). over: the claim is that validation loss and FID rise together from cell to cell, or over each cell's
    training; then `expect` and the two arms mean nothing.
    """

    text: Annotated[str, Field(min_length=1)]
    expect: Literal["better", "worse", "no effect"] = "better"
    changed: Arm = Arm()
    against: Arm = Arm()
    over: Literal["cells", "time"] | None = None


def check(claims: Sequence[Claim], triples: Sequence[Triple], source: str) -> None:
    """Raise ZooError for a claim about cells that the grid does not have. triples: those that it has, its first one
    first."""
    known = [list(dict.fromkeys(triple[i] for triple in triples)) for i in range(3)]
    for i, claim in enumerate(claims):
        if claim.over:
            continue
        for side, arm in (("changed", claim.changed), ("against", claim.against)):
            _check_names(arm, known, f"{source}, claims.{i}.{side}:")
            if (found := triple_of(arm, triples[0])) not in triples:
                raise ZooError(
                    f"{source}, claims.{i}.{side}: the grid has no cell of {', '.join(filter(None, found))}. "
                    'With design = "star" a cell differs from the first in one thing; "crossed" has all of them'
                )
        if triple_of(claim.changed, triples[0]) == triple_of(claim.against, triples[0]):
            raise ZooError(f"{source}, claims.{i}: it compares cells with themselves; name what `changed` changes")


def _check_names(arm: Arm, known: Sequence[Collection[str]], where: str) -> None:
    for kind, name, allowed in zip(
        ("backbone", "objective", "variant"), (arm.backbone, arm.objective, arm.variant), known, strict=True
    ):
        if name is not None and name not in allowed:
            raise choose(f"{kind} in {where}", name, allowed)


def triple_of(arm: Arm, first: Triple) -> Triple:
    """What an arm names, and of the rest the grid's first."""
    given = arm.backbone, arm.objective, arm.variant
    backbone, objective, variant = (own if own is not None else other for own, other in zip(given, first, strict=True))
    return backbone, objective, variant


def resolved(claims: Sequence[Claim], first: Triple, sizes: dict[str, str]) -> list[dict[str, Any]]:
    """The claims as grid.json holds them for a data set: each arm as a backbone's size and an objective's label.

    sizes: the size of each of the grid's backbones there.
    """

    def place(arm: Arm) -> dict[str, str]:
        backbone, objective, variant = triple_of(arm, first)
        return {
            "backbone": sizes.get(backbone, backbone),
            "objective": objective + (f" [{variant}]" if variant else ""),
        }

    return [
        {
            "text": claim.text,
            "expect": claim.expect,
            "over": claim.over,
            "changed": place(claim.changed),
            "against": place(claim.against),
        }
        for claim in claims
    ]
