"""The figures hold what the files say: fronts, orders, curves and pictures at the right names, nothing without data."""

import io
import json
import re
import shutil
from itertools import pairwise, product

import numpy as np
import pytest
from PIL import Image

from eval.ranks.board import KEYS
from eval.ranks.fronts import ranks
from eval.ranks.table import scores_of
from reports.figures import alts, curves, effort, epochs, forest, front, fronts, plotting, scores, sheets, strip, study
from reports.figures import catalogue as figures
from reports.page import build
from reports.read.load import load
from reports.words import pairs
from tests.reports.test_reports import BACKBONES, edit, fail, write_run
from zoo.base import figure as figure_style
from zoo.base.figure import png, short, style
from zoo.objectives.families import DEFAULT, SD3
from zoo.solvers.sampler import picked

SIZE = 8
LOGSNR = [-8.0, -4.0, 0.0, 4.0, 8.0]


def shade(objective: str) -> int:
    """A grey of the figures' sixteen that stands for one of the first eight objectives."""
    return 17 * (2 + DEFAULT.index(objective))


def add_pictures(folder, grid) -> None:
    """What a cell writes besides scores, every picture in one grey that tells whose it is."""
    for cell in grid["cells"]:
        place, grey = folder / cell["dir"], shade(cell["objective"])
        for score in json.loads((place / "result.json").read_text())["scores"]:
            save(place / "samples" / f"{score['setting']}.png", (4 * SIZE, 12 * SIZE), grey)
            save(place / "copies" / f"{score['setting']}.png", (2 * SIZE + 1, 8 * (SIZE + 1) - 1), grey)
            if score["weights"] == "ema" and score["guidance"] == 1:
                save(place / "paths" / f"{score['setting']}.png", (2 * SIZE, 8 * SIZE), grey)
        save(place / "real.png", (4 * SIZE, 12 * SIZE), 17)
        weight = [1e-9 if level == 8 else float(np.exp(-level * shade(cell["objective"]) / 255)) for level in LOGSNR]
        kept = {"logsnr": LOGSNR, "density": [None] + [0.1] * 4, "weight": weight}
        edit(place / "result.json", lambda result, kept=kept: result.update(fingerprint=kept))


def save(path, shape, grey) -> None:
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(np.full(shape, grey, np.uint8)).save(path)


@pytest.fixture
def styled():
    with style():
        yield


@pytest.fixture(scope="module")
def eight(tmp_path_factory):
    """Eight objectives, one seed, with all the pictures."""
    folder = tmp_path_factory.mktemp("eight")
    add_pictures(folder, write_run(folder, size=SIZE))
    return load(folder)


def points(run, backbone, setting) -> dict[str, tuple[float, float]]:
    """(mean FID, mean accuracy) of every objective, from the cells' files."""
    found = {}
    for cell in run.cells:
        rows = json.loads((run.folder / cell.folder / "result.json").read_text())["scores"]
        row = next(s for s in rows if s["weights"] == setting.weights and s["guidance"] == setting.guidance)
        if cell.backbone == backbone:
            found.setdefault(cell.objective, []).append((row["fid"], row["acc"]))
    return {o: tuple(np.mean(pairs, axis=0)) for o, pairs in found.items()}


def numbered(run, backbone, setting) -> dict[str, int]:
    """The number of each objective's front; tests/eval holds that fronts are peeled as they should."""
    scores = scores_of(run.entries, KEYS, run.objectives)
    for at, control in enumerate(scores.controls):
        values = dict(zip(KEYS, control.setting, strict=True))
        if control.backbone == backbone and all(getattr(setting, key, value) == value for key, value in values.items()):
            column = ranks(scores)[:, at]
            return {o: int(number) for o, number in zip(scores.objectives, column, strict=True)}
    raise AssertionError(f"no control {setting}")


def test_the_fronts_drawn_are_the_non_dominated_sets(styled, tmp_path):
    write_run(tmp_path, size=SIZE, objectives=tuple(SD3)[:20], seeds=(0, 1))
    run = load(tmp_path)
    for backbone in run.backbones:
        figure = fronts.pareto(run, backbone)
        assert len(figure.axes) == len(run.settings) == 4
        for ax, setting in zip(figure.axes, run.settings, strict=True):
            assert ax.get_title("left") == f"{setting.kind}, {run.label(setting)}"
            found = points(run, backbone, setting)
            number = numbered(run, backbone, setting)
            drawn = {line.get_label(): line.get_xydata() for line in ax.lines}
            assert len(drawn) == max(number.values())
            for one in set(number.values()):
                expected = sorted((fid, 100 * acc) for o, (fid, acc) in found.items() if number[o] == one)
                assert drawn[f"front {one}"] == pytest.approx(np.array(expected))
            assert {text.get_text() for text in ax.texts} == {o for o in number if number[o] == 1}
            later = [line.get_color() for line in ax.lines if line.get_label() != "front 1"]
            assert later == sorted(later, key=float, reverse=True)  # the last front first, and the faintest


def all_but_right(result: dict) -> None:
    """Accuracies of 100% and of one image less in 2,000."""
    for row in result["scores"]:
        row["acc"] = 0.9995 if row["fid"] > 5 else 1.0


def test_accuracies_that_differ_by_an_image_look_alike_and_their_axis_has_room(styled, tmp_path):
    write_run(tmp_path, size=SIZE, guidance=(1.0, 2.0, 3.0))
    for path in tmp_path.rglob("result.json"):
        edit(path, all_but_right)
    run = load(tmp_path)
    figure = fronts.pareto(run, run.backbones[0])
    figure.draw_without_rendering()
    for ax in figure.axes:
        low, high = ax.get_ylim()
        assert 2 <= high - low < 3 and high < 100.5
        assert ax.yaxis.label.get_window_extent().x0 >= 0


def test_the_table_of_places_is_that_of_the_ranks(styled, eight):
    (ax,) = fronts.places(eight).axes
    columns = sorted({text.get_position()[0] for text in ax.texts if text.get_text().isdigit()})
    shown = {(round(y), columns.index(x)): int(text.get_text()) for text in ax.texts
             if text.get_text().isdigit() for x, y in [text.get_position()]}  # fmt: skip
    names = [label.get_text().rsplit("  ", 1) for label in ax.get_yticklabels()]
    for column, (backbone, setting) in enumerate(product(eight.backbones, eight.settings)):
        found = points(eight, backbone, setting)
        number = numbered(eight, backbone, setting)
        order = sorted(found, key=lambda o: (number[o], found[o][0]))
        assert {names[row][0]: shown[row, column] for row in range(8)} == {o: i + 1 for i, o in enumerate(order)}
    assert dict(names) == {row["objective"]: f"{row['fid']:.2f}" for row in eight.board["rows"]}


def test_evaluations_are_drawn_where_several_counts_were_scored(styled, eight, tmp_path):
    assert effort.evaluations(eight) is None
    write_run(tmp_path, size=SIZE, objectives=DEFAULT[:3], backbones=BACKBONES[:1], steps=(5, 10, 50))
    run = load(tmp_path)
    figure = effort.evaluations(run)
    assert [ax.get_title("left") for ax in figure.axes] == ["dit(patch=4): no guidance", "dit(patch=4): guidance 2"]
    for ax, guidance in zip(figure.axes, (1.0, 2.0), strict=True):
        for line in ax.lines:
            cell = next(cell for cell in run.cells if cell.objective == line.get_label())
            kept = [s for s in cell.scores if s["weights"] == "ema" and s["guidance"] == guidance]
            expected = sorted((s["evaluations"], s["fid"]) for s in kept)
            assert [x for x, _ in expected] == [n * (1 + (guidance != 1)) for n in (5, 10, 50)]
            assert line.get_xydata() == pytest.approx(np.array(expected))


def test_samplers_are_lines_where_several_were_scored(styled, eight, tmp_path):
    assert effort.samplers(eight) is None
    grid = write_run(tmp_path, size=SIZE, objectives=DEFAULT[:2], backbones=BACKBONES[:1], steps=(5, 10))
    for cell in grid["cells"]:  # half of the rows become another sampler's
        edit(
            tmp_path / cell["dir"] / "result.json",
            lambda result: [s.update(sampler="heun", guidance=1.0) for s in result["scores"] if s["guidance"] == 2],
        )
    run = load(tmp_path)
    (ax,) = effort.samplers(run).axes
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == ["euler, 10 steps: 10 evaluations", "euler, 5 steps: 5 evaluations",
                     "heun, 10 steps: 20 evaluations", "heun, 5 steps: 10 evaluations"]  # fmt: skip
    for line in ax.lines:
        cell = next(cell for cell in run.cells if cell.objective == line.get_label())
        expected = [cell.score(setting)["fid"] for setting in run.compared]
        assert list(line.get_xdata()) == expected
    panels = effort.evaluations(run).axes
    assert {ax.get_title("left") for ax in panels} == {f"dit(patch=4): {o}" for o in DEFAULT[:2]}
    assert {line.get_label() for line in panels[0].lines} == {"no guidance, euler", "no guidance, heun"}


def test_snapshots_are_means_over_seeds_and_drawn_only_where_there_are_any(styled, eight, tmp_path):
    assert effort.snapshots(eight) is None
    grid = write_run(tmp_path, size=SIZE, objectives=DEFAULT[:2], backbones=BACKBONES[:1], seeds=(0, 1))
    for cell in grid["cells"]:
        if cell["objective"] == DEFAULT[1]:
            course = [{"images": 1000 * k, "seconds": 10.0 * k + cell["seed"], "fid": 30.0 / k + cell["seed"],
                       "fid_se": 0.1, "acc": 0.5} for k in (1, 2, 3)]  # fmt: skip
            edit(tmp_path / cell["dir"] / "result.json", lambda result, c=course: result.update(snapshots=c))
    (ax,) = effort.snapshots(load(tmp_path)).axes
    (line,) = ax.lines
    assert line.get_label() == DEFAULT[1]
    assert line.get_xydata() == pytest.approx(np.array([[1, 2, 3], [30.5, 15.5, 10.5]]).T)


def test_guidance_is_drawn_at_the_lowest_of_what_was_tried(styled, eight, tmp_path):
    assert len(effort.guidance(eight).axes) == 2
    grid = write_run(tmp_path, size=SIZE, objectives=DEFAULT[:1], backbones=BACKBONES[:1], seeds=(0, 1))
    for cell in grid["cells"]:
        tried = [{"guidance": g, "start": start, "fid": 10 * g + start + cell["seed"], "n": 100}
                 for g in (1.0, 1.5, 3.0) for start in (-10.0, -5.4)]  # fmt: skip
        best = {"candidates": tried, "chosen": 0, "score": {"fid": 1.0, "acc": 0.9}}
        edit(tmp_path / cell["dir"] / "result.json", lambda result, best=best: result.update(best=best))
    (ax,) = effort.guidance(load(tmp_path)).axes
    assert ax.lines[0].get_xydata() == pytest.approx(np.array([[1, 1.5, 3], [0.5, 5.5, 20.5]]).T)


def test_the_error_of_x_hat_is_the_mean_over_seeds_of_what_was_measured(styled, eight, tmp_path):
    assert curves.x_hat_error(eight) is None
    levels = [-10.0, -8.0, -6.0]
    grid = write_run(tmp_path, size=SIZE, objectives=DEFAULT[:2], backbones=BACKBONES[:1], seeds=(0, 1))
    for cell in grid["cells"]:
        share = [0.5 + cell["seed"], 0.3, 0.1 + DEFAULT.index(cell["objective"])]
        edit(tmp_path / cell["dir"] / "result.json", lambda result, share=share: result["validation"]["ema"].update(
            x0_logsnr=levels, x0_share=share))  # fmt: skip
    (ax,) = curves.x_hat_error(load(tmp_path)).axes
    for place in range(2):
        assert ax.lines[place].get_xydata() == pytest.approx(np.array([levels, [1.0, 0.3, 0.1 + place]]).T)


def test_the_forest_holds_the_effects_of_the_pairs(styled, tmp_path):
    write_run(tmp_path, size=SIZE, objectives=("eps/cosine", "v/cosine"), seeds=(0, 1, 2))
    run = load(tmp_path)
    (ax,) = forest.forest(run).axes
    known, _ = pairs.parsed(run.objectives)
    effects = pairs.measured(run, pairs.common(run), [tuple(known)])
    drawn = [float(line.get_xdata()[0]) for line in ax.lines if line.get_marker() in "oD"]
    assert drawn == pytest.approx([effect.fid.mean for effect in effects])
    assert [label.get_text() for label in ax.get_yticklabels()] == ["v/cosine minus eps/cosine"]


def test_the_strip_shows_the_ten_digits_of_each_objective_by_rank(styled, eight):
    figure = strip.strip(eight)
    (ax,) = figure.axes
    assert [text.get_text() for text in ax.texts] == ["real", *eight.ranked]
    greys = [sorted(set(np.unique(image.get_array() * 255).round().astype(int)) - {128}) for image in figure.images]
    assert greys == [[17], *([shade(o)] for o in eight.ranked)]


def test_white_samples_are_framed():
    white = np.ones((4, 12, SIZE, SIZE))
    for block in np.split(sheets._blocks(white, 4), 12, axis=1):  # of each class, a white line at both sides
        framed = block[:, 1:-1]
        assert (framed[[0, -1]] < 1).all() and (framed[:, [0, -1]] < 1).all()
        assert (framed[1:-1, 1:-1] == 1).sum() == 4 * SIZE**2


def test_the_front_pairs_each_objective_s_digits_with_its_own_fid(styled, tmp_path):
    """Each objective's made-up samples have a grey of their own, and every number is that of the files."""
    write_run(tmp_path, size=SIZE, seeds=(0, 1, 2))
    run = load(tmp_path)
    figure = front.front(run)
    backbone = strip.best_backbone(run)
    (ax,) = figure.axes
    named = [text.get_text() for text in figure.texts][: len(DEFAULT)]
    assert named == run.ranked != DEFAULT
    places = sorted(figure.images, key=lambda image: -image.oy)  # from the top
    texts = {(round(t.get_position()[0], 2), round(t.get_position()[1])): t.get_text() for t in ax.texts}
    for y, name in enumerate(named):
        values = [cell.score(run.highest)["fid"] for cell in run.group(backbone, name)]
        assert texts[1.05, y] == f"{np.mean(values):.1f}"
        (bar,) = (line for line in ax.lines if len(line.get_xdata()) == 2 and line.get_ydata()[0] == y)
        assert bar.get_xdata() == pytest.approx([min(values), max(values)])
        tiles = sheets.tiles_of(run, backbone, name, run.highest)[0, :10]
        shown = np.asarray(places[y].get_array())
        scale = shown.shape[0] // SIZE
        assert shown[::scale, : SIZE * scale : scale] == pytest.approx(tiles[0])
        assert shown[::scale, 9 * (SIZE + 1) * scale :: scale] == pytest.approx(tiles[9])
    assert front.front(load(emptied(tmp_path))) is None


def emptied(folder):
    """A run whose cells hold no picture."""
    for path in folder.rglob("samples/*.png"):
        path.unlink()
    return folder


def test_seconds_are_drawn_where_they_differ(styled, tmp_path):
    grid = write_run(tmp_path, size=SIZE, objectives=DEFAULT[:2], backbones=BACKBONES[:1])
    assert effort.seconds(load(tmp_path)) is None
    edit(tmp_path / grid["cells"][1]["dir"] / "result.json", lambda result: result["train"].update(seconds=300.0))
    run = load(tmp_path)
    (ax,) = effort.seconds(run).axes
    drawn = sorted(
        (float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in ax.lines if len(line.get_xdata()) == 1
    )
    assert drawn == sorted((cell.result["train"]["seconds"], cell.scores[0]["fid"]) for cell in run.cells)


def test_effective_weights_are_in_one_panel_and_equal_ones_are_one_line(styled, eight, tmp_path):
    write_run(tmp_path / "none", size=SIZE, objectives=DEFAULT[:1], backbones=BACKBONES[:1])
    assert curves.weights(load(tmp_path / "none")) is None
    (ax,) = curves.weights(eight).axes
    assert {text.get_text() for text in ax.texts} == set(DEFAULT)
    expected = [(level, np.exp(-level * shade("rf") / 255)) for level in LOGSNR[:-1]]  # the last is off the axis
    assert ax.lines[0].get_xydata() == pytest.approx(np.array(expected))
    grid = write_run(tmp_path, size=SIZE, objectives=DEFAULT[:3], backbones=BACKBONES[:1])
    for cell in grid["cells"]:
        slope = 0.5 if cell["objective"] == DEFAULT[1] else 0.25
        kept = {"logsnr": LOGSNR, "weight": [float(np.exp(-slope * level)) for level in LOGSNR]}
        edit(tmp_path / cell["dir"] / "result.json", lambda result, kept=kept: result.update(fingerprint=kept))
    (ax,) = curves.weights(load(tmp_path)).axes
    assert len(ax.lines) == 2
    assert {text.get_text() for text in ax.texts} == {DEFAULT[0], DEFAULT[1], f"= {DEFAULT[2]}"}


def test_confusion_is_that_of_the_first_and_the_last(styled, tmp_path):
    write_run(tmp_path, size=SIZE, objectives=DEFAULT[:4], backbones=BACKBONES[:1], seeds=(0, 1))
    run = load(tmp_path)
    found = points(run, BACKBONES[0], run.headline[0])
    order = sorted(found, key=lambda o: found[o][0])
    axes = scores.confusion(run).axes
    assert [ax.get_title("left").split("\n")[1] for ax in axes] == [order[0], order[-1]]
    for ax, o in zip(axes, (order[0], order[-1]), strict=True):
        tables = [np.array(cell.score(run.highest)["confusion"]) for cell in run.cells if cell.objective == o]
        share = 100 * sum(tables) / sum(tables).sum(1, keepdims=True)
        texts = {(round(t.get_position()[1]), round(t.get_position()[0])): t.get_text() for t in ax.texts}
        assert texts == {at: f"{v:.0f}" if v >= 0.5 else "" for at, v in np.ndenumerate(share)}


def pixels(figure) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png(figure, figures.GREYS))).convert("L"))


def rows_of(figure) -> dict[str, int]:
    """Name -> the row of pixels at the middle of what it names."""
    (ax,) = figure.axes
    names = [text for text in ax.texts if text.get_position()[0] < 0]
    height = figure.bbox.height
    return {t.get_text(): round(height - ax.transData.transform(t.get_position())[1]) for t in names}


def right_of_names(figure, picture: np.ndarray, row: int) -> set[int]:
    """The greys of a row of pixels, from the pictures' left end on."""
    left = round(figure.axes[0].get_position().x0 * picture.shape[1])
    return set(picture[row, left : left + 40].tolist())


def test_pictures_are_at_the_names_they_belong_to(styled, eight):
    real = {"real test images"}
    for figure, extra in (
        (sheets.samples(eight, BACKBONES[0], eight.highest), real),
        (sheets.paths(eight, BACKBONES[0]), set()),
        (sheets.ema_beside_raw(eight, BACKBONES[0]), real),
    ):
        picture, rows = pixels(figure), rows_of(figure)
        assert set(rows) == set(DEFAULT) | extra
        for name, row in rows.items():
            seen = right_of_names(figure, picture, row - 12) | right_of_names(figure, picture, row + 12)
            grey = 17 if name in real else shade(name)
            assert grey in seen
            assert seen <= {grey, 136, 255}  # lines between tiles and between classes


def test_paths_name_the_steps_that_the_cell_wrote(styled, eight):
    (ax,) = sheets.paths(eight, BACKBONES[0]).axes
    texts = [text for text in ax.texts if text.get_position()[0] > 0]
    steps = [int(text.get_text()) for text in texts]
    assert steps == [1 + step for step in picked(20)]
    assert steps[0] == 1 and steps[-1] == 20 and len(steps) == 8
    middles = [text.get_position()[0] for text in texts]
    assert np.diff(middles) == pytest.approx(ax.get_xlim()[1] / 8)


def test_copies_are_the_leader_s(styled, eight):
    figure = sheets.copies(eight)
    picture, rows = pixels(figure), rows_of(figure)
    assert len(rows) == len(BACKBONES)
    for name, row in rows.items():
        backbone, lead = name.split("\n")
        found = points(eight, backbone, eight.headline[0])
        assert lead == min(found, key=lambda o: found[o][0])
        assert right_of_names(figure, picture, row + 20) == {shade(lead)}


def test_missing_and_damaged_pictures_leave_a_gap(styled, tmp_path):
    grid = write_run(tmp_path, size=SIZE, objectives=DEFAULT[:3], backbones=BACKBONES[:1])
    add_pictures(tmp_path, grid)
    first, second, third = (tmp_path / cell["dir"] for cell in grid["cells"])
    fail(first, "diverged")
    for path in (second / "paths").glob("*.png"):
        path.write_bytes(b"\x89PNG damaged")
    for path in (third / "samples").glob("*.png"):
        save(path, (3, 5), 9)
    shutil.rmtree(second / "copies")
    (second / "real.png").unlink()
    (third / "real.png").unlink()
    run = load(tmp_path)
    sheet = sheets.samples(run, BACKBONES[0], run.highest)
    said = [text.get_text() for text in sheet.axes[0].texts]
    assert {"1 diverged", "no picture"} <= set(said)
    assert "real test images" not in said
    assert [t.get_text() for t in sheets.paths(run, BACKBONES[0]).axes[0].texts].count("no picture") == 1
    lead = run.by_fid(BACKBONES[0])[0]
    assert (sheets.copies(run) is None) == (lead == DEFAULT[1])
    for path in tmp_path.rglob("*.png"):
        path.unlink()
    assert sheets.samples(run, BACKBONES[0], run.highest) is None
    assert sheets.paths(run, BACKBONES[0]) is None
    assert sheets.ema_beside_raw(run, BACKBONES[0]) is None
    assert sheets.copies(run) is None


LATTICE = [f"rf/lognorm({m:g},{s:g})" for m, s in product((-1, 0, 0.5), (0.6, 1)) if (m, s) != (0, 0.6)]
LINE = [f"v/cosine+minsnr({g})" for g in (1, 5, 20)]
NO_STUDY = ["rf", "edm(0,1)", "edm(0,2)", "v/cosine+p2(1,1)", "rf/mode(1)", "rf/mode(0.5)", "<b>(1,", "x(1,2)"]


def test_families_are_read_from_names(tmp_path):
    write_run(tmp_path, size=SIZE, objectives=[*NO_STUDY, *LATTICE, *LINE], backbones=BACKBONES[:1])
    lattice, line = study.families(load(tmp_path))
    assert (lattice.name, lattice.parameters) == ("rf/lognorm", ("mean", "std"))
    assert lattice.points["rf/lognorm(0.5,0.6)"] == (0.5, 0.6)
    assert set(lattice.points) == set(LATTICE)
    assert (line.name, line.parameters, list(line.points.values())) == (
        "v/cosine+minsnr", ("gamma",), [(1.0,), (5.0,), (20.0,)]
    )  # fmt: skip


def test_heat_maps_hold_fid_and_mean_fronts(styled, tmp_path):
    write_run(tmp_path, size=SIZE, objectives=[*LATTICE, "rf"], backbones=BACKBONES[:1], seeds=(0, 1))
    run = load(tmp_path)
    (family,) = study.families(run)
    fid, rank = study.study(run, family).axes
    found = points(run, BACKBONES[0], run.headline[0])
    fronts_of = [numbered(run, BACKBONES[0], setting) for setting in run.settings]
    means = {o: np.mean([each[o] for each in fronts_of]) for o in LATTICE}
    for ax, values in ((fid, {o: found[o][0] for o in LATTICE}), (rank, means)):
        across, down = ([float(t.get_text()) for t in axis.get_ticklabels()] for axis in (ax.xaxis, ax.yaxis))
        texts = {tuple(t.get_position()): t.get_text() for t in ax.texts}
        assert (across, down) == ([-1, 0, 0.5], [1, 0.6])
        for o, (mean, std) in family.points.items():
            assert texts.pop((across.index(mean), down.index(std))) == f"{values[o]:.1f}"
        assert not texts  # nothing where the grid has no objective
        (frame,) = ax.patches
        best = family.points[min(LATTICE, key=values.get)]
        assert (across[round(frame.get_x() + 0.47)], down[round(frame.get_y() + 0.45)]) == best


def test_a_family_of_one_number_is_a_line_a_setting(styled, tmp_path):
    write_run(tmp_path, size=SIZE, objectives=LINE, backbones=BACKBONES[:1])
    run = load(tmp_path)
    (family,) = study.families(run)
    (ax,) = study.study(run, family).axes
    for setting, line in zip(
        run.headline, [one for one in ax.lines if len(one.get_xdata()) == 3 and one.get_linestyle() == "-"], strict=True
    ):
        found = points(run, BACKBONES[0], setting)
        assert line.get_xydata() == pytest.approx(
            np.array([(g, found[f"v/cosine+minsnr({g})"][0]) for g in (1, 5, 20)])
        )


def test_every_figure_is_shown_once_with_its_caption(tmp_path):
    datasets = ("mnist", "digits")
    grid = write_run(
        tmp_path, size=SIZE, objectives=DEFAULT[:2], backbones=BACKBONES[:1], datasets=datasets, steps=(5, 10)
    )
    add_pictures(tmp_path, grid)
    text = build(tmp_path).read_text()
    drawn = sorted(path.name for path in (tmp_path / "figures").iterdir())
    assert sorted(re.findall(r"\(figures/([^)]*)\)", text)) == drawn
    assert {"ranks.png", "mnist-evaluations.png", "digits-paths-dit-patch-4.png", "mnist-confusion.png"} <= set(drawn)
    assert not re.search(r"[{}]", "".join(re.findall(r"^\*.*\*$", text, flags=re.MULTILINE)))
    run = load(tmp_path).on("mnist")
    for section in {plot.section for plot in figures.PLOTS.values()}:
        for name in figures.of_section(section, drawn, "mnist-"):
            before, _, after = text.partition(f"](figures/mnist-{name})\n\n*")
            shown, alt = after.partition("*\n")[0], before.rpartition("![")[2]
            assert alt.replace("\\", "") == alts.seen(run, name) and len(alt) > 20  # says more than the file's name
            assert shown.replace("\\", "") == figures.caption(run, name)  # less what is escaped


def test_reports_are_written_without_torch(tmp_path, command):
    add_pictures(tmp_path, write_run(tmp_path, size=SIZE, objectives=DEFAULT[:2], backbones=BACKBONES[:1]))
    line = "import sys; from reports.page import build; build(sys.argv[1]); sys.exit('torch' in sys.modules)"
    done = command("-c", line, str(tmp_path))
    assert done.returncode == 0, done.stderr


def test_figures_are_no_wider_than_a_page_and_keep_their_colours(styled, eight, tmp_path):
    grid = write_run(tmp_path, size=SIZE, objectives=DEFAULT[-2:])
    add_pictures(tmp_path, grid)
    for name, data in figures.draw(load(tmp_path)).items():
        image = Image.open(io.BytesIO(data))
        assert image.width <= plotting.WIDEST * figure_style.DPI + 1, name
        assert image.mode == "P"
    figure = scores.accuracy_against_fid(eight)
    shown = np.asarray(Image.open(io.BytesIO(png(figure))).convert("RGB")).astype(int)
    figure.canvas.draw()
    exact = np.asarray(figure.canvas.buffer_rgba())[..., :3].astype(int)
    assert (shown[exact.sum(2) == 765] == 255).all()  # paper stays white
    assert np.abs(shown - exact).mean() < 0.5
    assert {tuple(int(c[i : i + 2], 16) for i in (1, 3, 5)) for c in figure_style.PALETTE} <= set(
        map(tuple, shown.reshape(-1, 3).tolist())
    )


def test_epochs_show_one_sample_of_each_class_by_both_kinds_of_weights(styled, tmp_path):
    grid = write_run(tmp_path, size=SIZE, objectives=["rf"], backbones=BACKBONES[:1])
    place, step = tmp_path / grid["cells"][0]["dir"], SIZE + 1
    for epoch in range(1, 31):
        picture = np.full((4 * step - 1, 2 * (5 * step - 1) + 4), 128, np.uint8)
        for kind, left in enumerate((0, 5 * step + 3)):
            for label in range(10):  # rows 0 and 2 hold the first sample of each class
                top = 2 * (label // 5) * step
                at = left + label % 5 * step
                picture[top : top + SIZE, at : at + SIZE] = 6 * label + 60 * kind + epoch // 6
        (place / "epochs").mkdir(exist_ok=True)
        Image.fromarray(picture.repeat(3, 0).repeat(3, 1)).save(place / "epochs" / f"{24 * epoch:06}.png")
    shown = [i + 1 for i in epochs.chosen(30)]
    assert (shown[0], shown[-1]) == (1, 30)
    assert 7 <= len(shown) <= epochs.ROWS  # equal ratios may fall on one epoch
    assert epochs.chosen(3) == [0, 1, 2]
    assert epochs.chosen(1) == [0]
    run = load(tmp_path)
    figure = epochs.epochs(run, BACKBONES[0])
    assert [text.get_text() for text in figure.axes[0].texts][: len(shown)] == [f"epoch {n}" for n in shown]
    drawn = [np.asarray(image.get_array()) for image in figure.images]
    for epoch, picture in zip(shown, drawn, strict=True):
        found = list(dict.fromkeys((255 * picture[0]).round().astype(int).tolist()))
        wanted = [6 * label + 60 * kind + epoch // 6 for kind in (0, 1) for label in range(10)]
        assert [value for value in found if value in wanted] == wanted
    (place / "epochs" / "000720.png").write_bytes(b"torn")
    assert epochs.epochs(run, BACKBONES[0]) is not None
    assert epochs.epochs(run, "nobody") is None
    assert "Samples after every epoch" in build(tmp_path).read_text()


@pytest.mark.parametrize("low_high", [(56, 13_595), (60, 650), (1, 299), (2, 20), (0.1, 31)])
@pytest.mark.parametrize("width", [1.5, 2.9, 5.0])
def test_labels_of_a_logarithmic_axis_do_not_touch(styled, width, low_high):
    figure, axes = figure_style.panels(1, 1, width, 2.0, margins=(0.5, 0.2, 0.4, 0.4))
    axes[0, 0].set_xlim(*low_high)
    plotting.plain_ticks(axes[0, 0], "x", low_high)
    figure.canvas.draw()
    low, high = axes[0, 0].get_xlim()
    labels = [label for label in axes[0, 0].get_xticklabels() if low <= float(label.get_text()) <= high]
    assert labels
    boxes = [label.get_window_extent() for label in labels]
    assert all(left.x1 < right.x0 for left, right in pairwise(boxes))


def test_a_short_name_keeps_what_a_family_s_names_differ_in():
    names = [f"rf/lognorm(0,1)+shift({k})" for k in (1.5, 2, 3)]
    assert [short(name, 20)[-8:] for name in names] == ["ift(1.5)", "shift(2)", "shift(3)"]
    assert short(names[0], 20) == "rf/lognor…shift(1.5)"
    assert short("rf", 2) == "rf"
    assert short("a\nb" * 99, 7) == "a b…a b" and len(short("x" * 99)) == 40
