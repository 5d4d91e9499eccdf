"""The commands of zoo/grid/README.md: shell that bash reads, a manifest that is YAML, and the Slurm script run whole,
with stand-ins for Slurm's own commands and two loopback addresses for its nodes.
"""

import os
import re
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT
from tests.grid.nodes import NODES, free_port, of_session, write

TEXT = (ROOT / "zoo" / "grid" / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
SRUN = """#!/bin/bash
# srun [OPTION ..] COMMAND: here, with the second node's address where the first host is left out
more=()
while [[ $1 == -* ]]; do
    case $1 in
        -x) more=(--node-ip-address=SECOND); shift 2 ;;
        -w) shift 2 ;;
        *) shift ;;
    esac
done
exec "$@" --object-store-memory=80000000 "${more[@]}"
"""


def test_all_shell_is_read_by_bash():
    assert len(BLOCKS) >= 4
    for block in BLOCKS:
        done = subprocess.run(["bash", "-n"], input=block, text=True, capture_output=True)  # noqa: S607
        assert (done.returncode, done.stderr) == (0, ""), block


def test_the_manifest_is_a_cluster_with_a_token_and_gpus_on_its_workers_alone():
    (text,) = re.findall(r"<<'YAML'\n(.*?)^YAML$", TEXT, re.DOTALL | re.MULTILINE)
    found = yaml.safe_load(text)
    assert (found["apiVersion"], found["kind"]) == ("ray.io/v1", "RayCluster")
    assert found["spec"]["authOptions"] == {"mode": "token"}
    head, (workers,) = found["spec"]["headGroupSpec"], found["spec"]["workerGroupSpecs"]
    assert all(isinstance(value, str) for value in head["rayStartParams"].values())  # the operator takes no others
    assert head["rayStartParams"]["include-dashboard"] == "false"
    limits = [group["template"]["spec"]["containers"][0]["resources"]["limits"] for group in (head, workers)]
    assert ["nvidia.com/gpu" in limit for limit in limits] == [False, True]
    assert f"ray[default]=={found['spec']['rayVersion']}" in TEXT


def script(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)


@pytest.mark.slow
def test_the_slurm_script_does_a_grid_and_leaves_nothing(tmp_path):
    (text,) = (block for block in BLOCKS if "#SBATCH" in block)
    submit, fake = tmp_path / "submit", tmp_path / "fake"
    fake.mkdir()
    write(submit)
    (submit / "run_all.py").symlink_to(ROOT / "run_all.py")
    (submit / ".venv" / "bin").mkdir(parents=True)
    (submit / ".venv" / "bin" / "activate").write_text(f'PATH="{fake}:{Path(sys.executable).parent}:$PATH"\n')
    script(fake, "srun", SRUN.replace("SECOND", NODES[1]))
    script(fake, "scontrol", "#!/bin/bash\nprintf 'first\\nsecond\\n'\n")
    script(fake, "hostname", f"#!/bin/bash\necho '{NODES[0]} 10.0.0.1 '\n")
    given = {"--grid sd3": "--grid tiny.toml --out out --device cpu", "--budget gpu": "--budget cpu"}
    for old, new in given.items():
        assert text.count(old) == 1
        text = text.replace(old, new)
    job = 90_000 + free_port() % 10_000
    environment = {**os.environ, "SLURM_SUBMIT_DIR": str(submit), "SLURM_JOB_ID": str(job), "SLURM_NNODES": "2"}
    environment |= {"SLURM_CPUS_PER_TASK": "1", "SLURM_JOB_NODELIST": "n[1-2]", "HOME": str(tmp_path)}
    environment |= {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    driver = subprocess.Popen(  # noqa: S603
        ["bash", "-c", text], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,  # noqa: S607
        start_new_session=True,
    )  # fmt: skip
    token, mode = tmp_path / f".zoo-token-{job}", None
    said = []
    for line in driver.stdout:
        said.append(line)
        if mode is None and "begins" in line:
            mode = stat.S_IMODE(token.stat().st_mode)
    assert driver.wait(timeout=60) == 0, "".join(said)
    assert mode == 0o600
    assert not token.exists()
    assert "Ray: 2 cells at once on 2 nodes" in "".join(said)
    assert len(list((submit / "out").rglob("result.json"))) == 3
    deadline = time.monotonic() + 30
    while left := of_session(driver.pid):
        assert time.monotonic() < deadline, left
        time.sleep(0.2)
