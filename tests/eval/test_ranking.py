"""Ranks: a table worked by hand, a slow reference, invariances, and intervals that cover the truth."""

import json
from itertools import product

import numpy as np
import pytest
from scipy import stats

from eval import compare
from eval.ranks.additive import fit
from eval.ranks.board import board as made
from eval.ranks.board import read
from eval.ranks.critical import family
from eval.ranks.fronts import fronts, mean_fronts
from eval.ranks.ranking import levels, ranking, sampling_share
from eval.ranks.scale import Asinh
from eval.ranks.sensitivity import advice, agreement, paired, sensitivity
from eval.ranks.table import Entry, scores_of
from eval.ranks.text import notes
from zoo.base.errors import ZooError
from zoo.base.sealed import write_sealed

KEYS = ("weights", "steps")


def row(fid: float, acc: float, weights: str = "ema", steps: int = 50, **more) -> dict:
    return {"weights": weights, "steps": steps, "fid": fid, "acc": acc, "fid_se": 0.1, **more}


def entries(table: dict[str, list[dict]], backbone: str = "dit", dataset: str = "mnist", seed: int = 0) -> list[Entry]:
    return [Entry(dataset, backbone, name, seed, "done" if rows else "missing", rows) for name, rows in table.items()]


def slow_fronts(points: list[tuple[float, float]]) -> list[float]:
    """Front numbers of (fid, acc), from the definition; None for a point with a nan."""
    left = {i for i, point in enumerate(points) if not any(np.isnan(point))}
    found, number = dict.fromkeys(range(len(points)), np.nan), 0
    while left:
        number += 1
        best = set()
        for i in left:
            beaten = False
            for j in left:
                (f, a), (g, b) = points[i], points[j]
                if g <= f and b >= a and (g < f or b > a):
                    beaten = True
            if not beaten:
                best.add(i)
        for i in best:
            found[i] = number
        left -= best
    return list(found.values())


def test_a_table_worked_by_hand():
    """Under the first setting a and b trade off (front 1), c equals b (1), d is behind c alone (2), e behind all (3);
    under the second a leads (1), b and c tie on both scores (2), e (3) is before d (4)."""
    first = {"a": (1.0, 0.90), "b": (2.0, 0.95), "c": (2.0, 0.95), "d": (3.0, 0.95), "e": (3.0, 0.80)}
    second = {"a": (1.0, 0.99), "b": (2.0, 0.90), "c": (2.0, 0.90), "d": (4.0, 0.70), "e": (3.0, 0.80)}
    table = {name: [row(*first[name], steps=50), row(*second[name], steps=5)] for name in first}
    scores = scores_of(entries(table), KEYS)
    assert mean_fronts(scores, ties=False).tolist() == [1.0, 1.5, 1.5, 3.0, 3.0]
    by_steps = [mean_fronts(scores.part(lambda c, n=n: c.steps == n), ties=False).tolist() for n in (50, 5)]
    assert by_steps == [[1, 1, 1, 2, 3], [1, 2, 2, 4, 3]]
    found = ranking(scores, expected=1)
    assert [scores.objectives[i] for i in found.order] == ["a", "b", "c", "e", "d"]  # by FID
    assert found.rank.tolist() == [1, 2, 2, 5, 4]
    np.testing.assert_allclose(found.level[:2], np.arcsinh(np.array([1.0, 2.0]) / (20 / 100)))


@pytest.mark.parametrize("seed", range(20))
def test_fronts_are_those_of_the_definition(seed):
    rng = np.random.default_rng(seed)
    points = rng.integers(0, 6, (25, 2)).astype(float)  # many ties
    points[rng.random(25) < 0.1] = np.nan
    points[rng.random(25) < 0.1] = [np.inf, -np.inf]
    found = fronts(np.stack([points[:, 0], -points[:, 1]], -1))
    np.testing.assert_array_equal(found, slow_fronts([tuple(point) for point in points]))


def random_scores(seed: int, seeds: int = 3, names: int = 12):
    rng = np.random.default_rng(seed)
    found = []
    for (i, dataset), s in product(product(range(names), ("mnist", "fashion")), range(seeds)):
        quality = i + rng.normal(0, 2)
        rows = [
            row(quality + rng.normal(0, 0.3), 1 - quality / 30 + rng.normal(0, 0.01), weights, steps,
                fid2=quality + rng.normal(), acc2=1 - quality / 30, pfd=quality**2)
            for weights, steps in product(("ema", "raw"), (5, 50))
        ]  # fmt: skip
        found.append(Entry(dataset, "dit", f"o{i}", s, "done", rows))
    return found


def test_equal_accuracy_in_truth_ranks_by_fid_alone():
    """What is above the real images' accuracy is equal to it, and what differs within its error is a tie."""
    accs, table = (1.0, 0.997, 0.993, 0.90), []
    for i, acc in enumerate(accs):
        table += [Entry("m", "dit", f"o{i}", s, "done", [row(1.0 + 4 * i, acc)], 0.992) for s in range(3)]
    scores = scores_of(table, KEYS)
    assert mean_fronts(scores).tolist() == [1, 2, 3, 4]
    upside = [Entry(*_key(e), "done", [{**e.rows[0], "acc": accs[3 - i // 3]}], 0.992) for i, e in enumerate(table)]
    assert mean_fronts(scores_of(upside, KEYS)).tolist() == [1, 1, 2, 3]  # the first, worse in accuracy by 9 points
    free = [Entry(*_key(e), "done", e.rows) for e in upside]
    assert mean_fronts(scores_of(free, KEYS), ties=False).tolist() == [1, 1, 1, 1]


def test_the_order_of_the_runs_changes_nothing():
    found = random_scores(1)
    shuffled = [found[i] for i in np.random.default_rng(0).permutation(len(found))]
    names = [f"o{i}" for i in range(12)]
    ours, theirs = (ranking(scores_of(each, KEYS, names), 3).level for each in (found, shuffled))
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_the_same_seed_gives_the_same_bytes():
    boards = [json.dumps(made(with_settings(random_scores(2)))) for _ in range(2)]
    assert boards[0] == boards[1]


def with_settings(found: list[Entry]) -> list[Entry]:
    """The same with the whole setting in each row."""
    usual = {
        "sampler": "euler",
        "step_grid": "flow",
        "guidance": 1.0,
        "interval": [0.0, 1.0],
        "rescale": 0.0,
        "clip": True,
        "start": -10.0,
    }
    return [
        Entry(e.dataset, e.backbone, e.objective, e.seed, e.status, [{**usual, **r} for r in e.rows]) for e in found
    ]


def test_a_diverged_run_comes_after_every_finite_one_and_a_missing_one_is_marked():
    found = random_scores(3)
    found = [Entry(*_key(e), "diverged") if (e.objective, e.seed) == ("o0", 1) else e for e in found]
    found = [Entry(*_key(e), "missing") if (e.objective, e.seed, e.dataset) == ("o1", 2, "mnist") else e for e in found]
    found = [Entry(*_key(e), "failed") if e.objective == "o2" else e for e in found]
    board = made(with_settings(found))
    rows = {r["objective"]: r for r in board["rows"]}
    assert len(rows) == 12  # nobody is left out
    assert rows["o0"]["rank"] == max(r["rank"] for r in rows.values() if r["rank"] is not None)
    assert (rows["o0"]["diverged"], rows["o0"]["done"], rows["o0"]["runs"]) == (2, 4, 6)
    assert {name for name, r in rows.items() if r["incomplete"]} == {"o1", "o2"}
    assert (rows["o2"]["rank"], board["rows"][-1]["objective"]) == (None, "o2")
    assert any("Incomplete: runs of 2 of 12" in note for note in notes(board))
    assert "Infinity" not in json.dumps(board)
    assert "NaN" not in json.dumps(board)


def _key(entry: Entry) -> tuple:
    return entry.dataset, entry.backbone, entry.objective, entry.seed


def test_the_same_scores_have_the_same_sets_whatever_the_order_of_the_settings():
    found = random_scores(4)
    turned = [Entry(*_key(e), "done", e.rows[::-1]) for e in found]
    ours, theirs = (ranking(scores_of(each, KEYS), 3) for each in (found, turned))
    assert (ours.low.tolist(), ours.high.tolist()) == (theirs.low.tolist(), theirs.high.tolist())
    np.testing.assert_allclose(ours.level, theirs.level)


def test_runs_that_are_missing_leave_the_rest_as_it_is():
    found = random_scores(4)
    whole = ranking(scores_of(found, KEYS), 3)
    part = [e for e in found if not (e.objective == "o3" and e.seed == 1 and e.dataset == "mnist")]
    less = ranking(scores_of(part, KEYS), 3)
    assert less.incomplete.tolist() == [name == "o3" for name in less.scores.objectives]
    others = np.arange(12) != 3
    apart = less.level[others] - whole.level[others]
    assert np.ptp(apart) < 0.05  # the mean of all may move, differences hardly
    assert (less.low <= less.rank).all() and (less.rank <= less.high).all()
    only = [e for e in found if e.objective != "o3" or e.seed == 0]
    assert np.isnan(ranking(scores_of(only, KEYS), 3).low).all()  # of one run nothing is known


def test_missing_runs_do_not_bias_a_level():
    """Least squares by hand: an objective that lacks the hard setting is compared on the others."""
    y = np.array([[[1.0, 1.2], [9.0, 9.2]], [[2.0, 2.2], [10.0, 10.2]], [[1.5, 1.7], [np.nan, np.nan]]])
    found = fit(y)
    assert found.effect[1] - found.effect[0] == pytest.approx(1)
    assert found.effect[2] - found.effect[0] == pytest.approx(0.5)


def test_objectives_that_share_no_block_are_never_distinguished():
    y = np.full((2, 2, 3), np.nan)
    y[0, 0], y[1, 1] = [1.0, 1.1, 0.9], [9.0, 9.1, 8.8]
    found = fit(y)
    assert np.isnan(found.t[0, 1])
    assert family(found)[0, 1] == 1


def test_rank_sets_hold_the_true_ranks_and_find_what_is_far():
    """Three pairs of equal objectives, far from each other, three runs each: with unequal variances too."""
    truth, covered, told = np.repeat([1.0, 1.8, 2.6], 2), [], []
    spread = np.array([0.05, 0.1, 0.02, 0.1, 0.05, 0.08])
    for seed in range(60):
        rng = np.random.default_rng(seed)
        runs = np.sinh(truth[:, None] + spread[:, None] * rng.normal(size=(6, 3)) + rng.normal(size=3)) * 0.2
        table = [Entry("m", "dit", f"o{i}", s, "done", [row(runs[i, s], 0.5)]) for i in range(6) for s in range(3)]
        found = ranking(scores_of(table, KEYS), 3)
        assert (found.low <= found.rank).all() and (found.rank <= found.high).all()
        covered.append((found.low <= [1, 1, 3, 3, 5, 5]).all() and (found.high >= [2, 2, 4, 4, 6, 6]).all())
        told.append(found.p[0, 5] <= 0.05)
        assert all(found.p[0, j] > 0.05 for j in found.alike(0))
    assert np.mean(covered) >= 0.9
    assert np.mean(told) > 0.9


def test_of_equal_objectives_hardly_any_pair_is_distinguished():
    wrong = 0
    for seed in range(150):
        y = np.random.default_rng(seed).standard_t(3, (8, 1, 3)) * np.geomspace(1, 3, 8)[:, None, None]
        wrong += bool((family(fit(y)) <= 0.05).any())
    assert wrong / 150 <= 0.08


def test_one_seed_has_no_set():
    found = ranking(scores_of(random_scores(5, seeds=1), KEYS), 1)
    assert np.isfinite(found.rank).all()
    assert np.isnan(found.low).all()
    assert np.isnan(found.chance).all()
    assert "One seed: a sketch." in notes(made(with_settings(random_scores(5, seeds=1))))[0]


def test_the_first_place_is_shared_out():
    found = ranking(scores_of(random_scores(6), KEYS), 3)
    assert np.nansum(found.chance) == pytest.approx(1)
    lead = found.order[0]
    assert found.rank[lead] == found.rank.min() == 1
    assert found.chance[lead] == found.chance.max()


def test_the_share_of_sampling_is_what_was_put_in():
    """Runs whose level varies by .2, of it by sampling .1 (a quarter of the variance), known from blocks."""
    rng, shares = np.random.default_rng(0), []
    for _ in range(30):
        table = []
        for i, s in product(range(8), range(5)):
            e = rng.normal(0, 0.1, 20) / 20**0.5  # what each block does to the level
            level = i / 2 + rng.normal(0, 0.03**0.5) + e.sum()
            fid, scale = float(Asinh.of(400).back(level)), Asinh.of(400)
            left = fid - e * 20**0.5 * 19**0.5 / 19 / scale.slope(fid)
            fids = {"fid_plain": fid, "fid_leave_one_out": left.tolist(), "n": 400}
            table.append(Entry("m", "dit", f"o{i}", s, "done", [row(fid, 0.5, **fids)]))
        shares.append(sampling_share(scores_of(table, KEYS)))
    assert np.mean(shares) == pytest.approx(0.25, abs=0.03)
    assert "more seeds" in advice(0.2) and "more images for each" in advice(0.9)
    assert advice(1.3).startswith("Sampling is all of the variance")  # two estimates, of which the one is near 0


def test_agreement_is_scipys_over_whole_pairs():
    ours, theirs = [1.0, 2.5, np.nan, 4.0, 3.0, 6.0], [2.0, 1.0, 5.0, 8.0, None, 9.0]
    found = agreement(ours, theirs)
    a, b = [1.0, 2.5, 4.0, 6.0], [2.0, 1.0, 8.0, 9.0]
    assert found["n"] == 4
    assert found["tau"] == pytest.approx(4 / 6)  # one of six pairs is the wrong way round
    assert (found["rho"], found["rho_p"]) == pytest.approx(tuple(stats.spearmanr(a, b)))
    assert agreement([1, 2], [1, 2]) is None
    assert agreement([1, 1, 1], [1, 2, 3]) is None


def test_the_published_ranks_are_read():
    names = {"rf/lognorm(0,1)": 1.0, "eps/ldm": 2.0, "rf": 3.0, "v/cosine": 4.0}
    table = with_settings(entries({name: [row(fid, -fid)] for name, fid in names.items()}))
    board = made(table)
    assert [r["published"] for r in board["rows"]] == [1.54, 2.88, 5.67, None]
    assert (board["agreement"]["n"], board["agreement"]["tau"]) == (3, 1.0)


def test_a_pair_is_told_in_fids_unit():
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.3, 4)  # what the runs of a seed share
    a, b = 50 * np.exp(noise + rng.normal(0.1, 0.01, 4)), 50 * np.exp(noise + rng.normal(0, 0.01, 4))
    table = [Entry("m", "dit", n, s, "done", [row(v[s], 0.5)]) for n, v in (("a", a), ("b", b)) for s in range(4)]
    found = paired(scores_of(table, KEYS), "fid", "a", "b")
    assert found.seeds == 4
    assert found.mean == pytest.approx(np.mean(a - b), rel=0.1)
    assert found.p == pytest.approx(stats.ttest_rel(np.log(a), np.log(b)).pvalue, abs=2e-3)
    one = paired(scores_of([e for e in table if e.seed == 0], KEYS), "fid", "a", "b")
    assert (one.low, one.high, one.seeds) == (None, None, 1)
    table[1] = Entry("m", "dit", "a", 1, "diverged")
    assert paired(scores_of(table, KEYS), "fid", "a", "b") is None


def test_sensitivity_says_what_another_choice_would_have_changed():
    found = random_scores(7, seeds=2)
    found = [Entry(*_key(e), "done", [{**r, "kid": r["fid"] / 50} for r in e.rows]) for e in found]
    taus = sensitivity(scores_of(found, KEYS))
    assert 0.5 < taus["second judge"] < 1
    assert taus["KID"] == pytest.approx(1)
    assert taus["run_spread"] > 5 * taus["sampling_error"]
    upside = [Entry(*_key(e), "done", [{**r, "fid2": -r["fid"], "kid": -r["kid"]} for r in e.rows]) for e in found]
    assert sensitivity(scores_of(upside, KEYS))["second judge"] < -0.9
    assert sensitivity(scores_of(upside, KEYS))["KID"] < -0.9


def test_no_objectives_level_depends_on_the_others():
    values = np.random.default_rng(0).normal(size=(6, 4, 3))
    np.testing.assert_allclose(levels(values)[1:], levels(values[1:]))


def test_slack_makes_near_points_equal():
    costs = np.array([[1.0, 0.5], [1.2, 0.5], [2.0, 0.5]])
    assert fronts(costs).tolist() == [1, 2, 3]
    assert fronts(costs, np.full((3, 3, 1), 0.5) * [1, 0]).tolist() == [1, 1, 2]


def write(folder, name: str, seed: int, sha: str = "aa", **result) -> None:
    where = folder / name / f"seed{seed}"
    where.mkdir(parents=True)
    config = {"dataset": "digits", "backbone": "dit", "objective": name, "seed": seed}
    write_sealed(where / "cell.json", {"config": {"train": config}})
    usual = with_settings([Entry("digits", "dit", name, seed, "done", [row(1.0 + len(name) + seed, 0.5)])])[0].rows
    write_sealed(where / "result.json", {"status": "done", "judge": {"sha256": sha}, "scores": usual, **result})


def test_a_folder_is_ranked_by_the_command(inside, tmp_path):
    for name, seed in product(("rf", "v-cosine", "eps-linear"), (0, 1, 2)):
        write(tmp_path, name, seed)
    (tmp_path / "v-cosine" / "seed1" / "result.json").unlink()
    write_sealed(tmp_path / "v-cosine" / "seed1" / "failed.json", {"status": "diverged"})
    lines = inside(compare.main, str(tmp_path)).splitlines()
    assert [line.split()[0] for line in lines[4:7]] == ["rf", "eps-linear", "v-cosine"]
    assert "1 diverged" in lines[6]
    found = json.loads(inside(compare.main, str(tmp_path), "--json"))
    assert [r["rank"] for r in found["rows"]] == [1.0, 2.0, 3.0]


def test_folders_that_cannot_be_ranked_are_refused(tmp_path):
    with pytest.raises(ZooError, match="holds no cell"):
        read(tmp_path)
    write(tmp_path, "rf", 0)
    write(tmp_path, "rf", 1, sha="bb")
    with pytest.raises(ZooError, match="2 judges scored digits"):
        read(tmp_path)
    (tmp_path / "rf" / "seed1" / "result.json").write_text('{"schema_version": 1}')
    told = []
    assert [entry.status for entry in read(tmp_path, told.append)] == ["done", "unreadable"]
    assert "schema_version 1" in told[0] and "delete the file" in told[0]
