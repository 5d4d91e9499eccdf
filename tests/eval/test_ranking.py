"""Ranks: a table worked by hand, a slow reference, invariances, and intervals that cover the truth."""

import json
from itertools import product

import numpy as np
import pytest
from scipy import stats

from eval import compare
from eval.ranks.board import board as made
from eval.ranks.board import read
from eval.ranks.ranking import Entry, fronts, mean_ranks, ranking, resampled, scores_of
from eval.ranks.sensitivity import agreement, paired, sensitivity
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
    assert mean_ranks(scores).tolist() == [1.0, 1.5, 1.5, 3.0, 3.0]
    by_steps = [mean_ranks(scores.part(lambda c, n=n: c.steps == n)).tolist() for n in (50, 5)]
    assert by_steps == [[1, 1, 1, 2, 3], [1, 2, 2, 4, 3]]
    order = ranking(scores, expected=1)
    assert [scores.objectives[i] for i in order.order] == ["a", "b", "c", "d", "e"]


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


def test_a_monotone_change_of_a_score_changes_no_rank():
    """With one seed; over several the means of a changed score are not the changed means."""
    found = random_scores(0, seeds=1)
    changed = [
        Entry(e.dataset, e.backbone, e.objective, e.seed, e.status,
              [{**r, "fid": np.exp(r["fid"] / 5), "acc": r["acc"] ** 3} for r in e.rows])
        for e in found
    ]  # fmt: skip
    np.testing.assert_array_equal(mean_ranks(scores_of(found, KEYS)), mean_ranks(scores_of(changed, KEYS)))


def test_the_order_of_the_runs_changes_nothing():
    found = random_scores(1)
    shuffled = [found[i] for i in np.random.default_rng(0).permutation(len(found))]
    names = [f"o{i}" for i in range(12)]
    ours, theirs = (mean_ranks(scores_of(each, KEYS, names)) for each in (found, shuffled))
    np.testing.assert_allclose(ours, theirs, rtol=1e-15)


def test_the_same_seed_gives_the_same_bytes():
    boards = [json.dumps(made(with_settings(random_scores(2)), replicates=200)) for _ in range(2)]
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
    }
    return [
        Entry(e.dataset, e.backbone, e.objective, e.seed, e.status, [{**usual, **r} for r in e.rows]) for e in found
    ]


def test_a_diverged_run_comes_after_every_finite_one_and_a_missing_one_is_marked():
    found = random_scores(3)
    found = [Entry(*_key(e), "diverged") if (e.objective, e.seed) == ("o0", 1) else e for e in found]
    found = [Entry(*_key(e), "missing") if (e.objective, e.seed, e.dataset) == ("o1", 2, "mnist") else e for e in found]
    found = [Entry(*_key(e), "failed") if e.objective == "o2" else e for e in found]
    board = made(with_settings(found), replicates=200)
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


def test_resampling_draws_whole_runs():
    """Two runs of one objective that swap places under two settings: drawn whole, their mean is never the best."""
    table = [
        Entry("mnist", "dit", "a", 0, "done", [row(0.0, 0.5, steps=5), row(9.0, 0.5, steps=50)]),
        Entry("mnist", "dit", "a", 1, "done", [row(9.0, 0.5, steps=5), row(0.0, 0.5, steps=50)]),
        *(Entry("mnist", "dit", "b", s, "done", [row(4.0, 0.5, steps=5), row(4.0, 0.5, steps=50)]) for s in (0, 1)),
    ]
    drawn = resampled(scores_of(table, KEYS), 400)
    # (0, 0) and (1, 1): first under one setting, second under the other; (0, 1): 4.5 is second to 4 under both
    assert set(map(tuple, drawn)) == {(1.5, 1.5), (2.0, 1.0)}
    assert (drawn[:, 0] == 2).mean() == pytest.approx(0.5, abs=0.1)


def test_resampling_with_unequal_numbers_of_runs_uses_those_that_are_there():
    found = [e for e in random_scores(4) if not (e.objective == "o3" and e.seed == 1)]
    drawn = resampled(scores_of(found, KEYS), 200)
    assert np.isfinite(drawn).all()
    only = [e for e in found if e.objective != "o3" or e.seed == 0]
    assert np.isnan(ranking(scores_of(only, KEYS), 3, 50).low).all()  # one run cannot be drawn anew


def test_as_many_runs_are_drawn_as_there_are():
    """Of two runs at 0 and 9 the mean is 0, 4.5 or 9, never between 2.5 and 3.5, where that of three could be."""
    table = [Entry("m", "dit", "a", s, "done", [row(fid, 0.5)]) for s, fid in ((0, 0.0), (2, 9.0))]
    for name, fid in (("b", 2.5), ("c", 3.5)):
        table += [Entry("m", "dit", name, s, "done", [row(fid, 0.5)]) for s in range(3)]
    drawn = resampled(scores_of(table, KEYS), 300)
    assert set(drawn[:, 0]) == {1.0, 3.0}


def test_intervals_cover_the_truth():
    """Five objectives of known quality, five runs each: the 95% interval of a rank holds the rank of their truth."""
    truth, covered = np.arange(5) * 1.0, []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        runs = truth[:, None] + rng.normal(0, 0.8, (5, 5))
        found = [
            Entry("m", "dit", f"o{i}", s, "done", [row(runs[i, s], -runs[i, s])]) for i in range(5) for s in range(5)
        ]
        board = ranking(scores_of(found, KEYS), 5, replicates=200)
        covered += [(board.low <= truth + 1) & (truth + 1 <= board.high)]
    assert 0.9 <= np.mean(covered) <= 1.0


def test_one_seed_has_no_interval():
    found = ranking(scores_of(random_scores(5, seeds=1), KEYS), 1)
    assert np.isfinite(found.rank).all()
    assert np.isnan(found.low).all()
    assert np.isnan(found.first).all()
    assert "One seed: a sketch." in notes(made(with_settings(random_scores(5, seeds=1))))[0]


def test_the_first_place_is_shared_out():
    found = ranking(scores_of(random_scores(6), KEYS), 3, 300)
    assert np.nansum(found.first) == pytest.approx(1)
    np.testing.assert_allclose(found.before + found.before.T, 1)
    lead = found.order[0]
    assert found.rank[lead] == found.rank.min()
    assert all(0.05 <= found.before[lead, j] <= 0.95 for j in found.alike(lead))


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


def test_paired_differences_are_students():
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 5, 4)  # what the runs of a seed share
    a, b = noise + rng.normal(1, 0.1, 4), noise + rng.normal(0, 0.1, 4)
    table = [Entry("m", "dit", n, s, "done", [row(v[s], 0.5)]) for n, v in (("a", a), ("b", b)) for s in range(4)]
    found = paired(scores_of(table, KEYS), "fid", "a", "b")
    low, high = stats.ttest_rel(a, b).confidence_interval(0.95)
    assert (found.mean, found.low, found.high, found.seeds) == pytest.approx((np.mean(a - b), low, high, 4))
    one = paired(scores_of([e for e in table if e.seed == 0], KEYS), "fid", "a", "b")
    assert (one.low, one.high, one.seeds) == (None, None, 1)
    table[1] = Entry("m", "dit", "a", 1, "diverged")
    assert paired(scores_of(table, KEYS), "fid", "a", "b") is None


def test_sensitivity_says_what_another_choice_would_have_changed():
    found = random_scores(7, seeds=2)
    taus = sensitivity(scores_of(found, KEYS))
    assert 0.5 < taus["second judge"] < 1
    assert 0.8 < taus["any one objective left out (the lowest)"] <= 1
    assert taus["run_spread"] > 5 * taus["sampling_error"]
    upside = [Entry(*_key(e), "done", [{**r, "fid2": -r["fid"], "acc2": -r["acc"]} for r in e.rows]) for e in found]
    assert sensitivity(scores_of(upside, KEYS))["second judge"] < -0.9


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
    lines = inside(compare.main, str(tmp_path), "--replicates", "100").splitlines()
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
