"""Memory that tensors gave back stays with the process on the CPU: the kernel counts the pages that it hands out."""

import platform

import pytest

PROGRAM = """
import resource, torch
from zoo.environment import pick_device
pick_device("cpu")

def faults():  # four tensors of 24 MB, written and given back
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    held = [torch.ones(6_000_000) for _ in range(4)]
    del held
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

rounds = [faults() for _ in range(10)]
print(rounds[0], sum(rounds[5:]))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's allocator can be told")
def test_a_cpu_process_asks_for_its_pages_once(command):
    done = command("-c", PROGRAM)
    assert done.returncode == 0, done.stderr
    first, later = map(int, done.stdout.split())
    assert first > 100  # fewer where the kernel hands out large pages
    assert later < first / 10
