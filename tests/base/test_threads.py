"""Cores and workers: what control groups of either version grant, and what the user asks for."""

import pytest

from zoo.base import threads


@pytest.fixture
def bound(monkeypatch):
    monkeypatch.setattr(threads.os, "sched_getaffinity", lambda pid: set(range(8)))


def groups(folder, text: str, **files: str):
    (folder / "groups").write_text(text)
    for name, content in files.items():
        path = folder / "mounted" / name.replace("__", "/").replace("_cfs_", ".cfs_").replace("_max", ".max")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder / "groups", folder / "mounted"


@pytest.mark.parametrize(("quota", "cores"), [("200000 100000", 2), ("max 100000", 8), ("50000 100000", 1)])
def test_a_quota_of_the_second_version_counts(bound, quota, cores, tmp_path):
    assert threads.cores(*groups(tmp_path, "0::/\n", cpu_max=quota)) == cores


def test_the_tightest_group_above_a_process_counts(bound, tmp_path):
    files = {"a__cpu_max": "300000 100000", "a__b__cpu_max": "max 100000"}
    assert threads.cores(*groups(tmp_path, "0::/a/b\n", **files)) == 3


def test_a_quota_of_the_first_version_counts(bound, tmp_path):
    files = {"cpu,cpuacct__cpu_cfs_quota_us": "400000", "cpu,cpuacct__cpu_cfs_period_us": "100000"}
    assert threads.cores(*groups(tmp_path, "4:cpu,cpuacct:/\n", **files)) == 4


def test_without_groups_the_bound_cores_count(bound, tmp_path):
    assert threads.cores(tmp_path / "none", tmp_path) == 8


@pytest.mark.parametrize(("asked", "workers"), [("2", 4), ("3,1", 2), ("16", 1), ("", 8), ("many", 8)])
def test_workers_follow_the_threads_that_the_user_set(bound, asked, workers, monkeypatch):
    monkeypatch.setattr(threads, "cores", lambda: 8)
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    assert threads.workers() == workers
