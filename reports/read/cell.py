"""One cell of a grid, as its files tell of it."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from reports.read.setting import Setting


@dataclass(frozen=True)
class Cell:
    """One cell of the grid with what its files say; `result` is None unless it is done.

    objective: its name, and in brackets the variant of the recipe if the grid has several.
    """

    folder: str
    dataset: str
    backbone: str
    objective: str
    seed: int
    status: str
    message: str = ""
    failure: dict[str, Any] | None = None
    result: dict[str, Any] | None = None
    variant: str = ""

    @property
    def facts(self) -> dict[str, Any]:
        """The result; {} unless it is done."""
        return self.result or {}

    def score(self, setting: Setting) -> dict[str, Any] | None:
        """The scores under this setting."""
        return self.by_setting.get(setting)

    @cached_property
    def by_setting(self) -> dict[Setting, dict[str, Any]]:
        """The scores, each under its setting."""
        return {Setting.of(score): score for score in self.scores}

    @property
    def scores(self) -> list[dict[str, Any]]:
        return list(self.facts.get("scores", ()))

    @property
    def ceiling(self) -> float | None:
        """The judge's accuracy on real images, if it is known."""
        return ((self.result or {}).get("real") or {}).get("acc")

    @property
    def unscored(self) -> list[dict[str, Any]]:
        """Settings of a cell that is done under which it could not be scored, each with the reason."""
        return self.result.get("unscored") or [] if self.result else []
