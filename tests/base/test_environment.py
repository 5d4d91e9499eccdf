"""What a machine is made for is what a run takes there: its precision, compiling, memory that the process keeps.

Of the last the kernel tells: it counts the pages that it hands out.
"""

import platform

import pytest
import torch

from zoo.base import environment

PROGRAM = """
import resource, torch
from zoo.base.environment import pick_device
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


@pytest.mark.parametrize(
    ("device", "flags", "pixels", "precision", "compiling"),
    [
        ("cpu", "avx2 avx512f", 784, "float32", False),
        ("cpu", "avx512f avx512_bf16", 784, "bfloat16", False),
        ("cpu", "avx512f avx512_bf16", 64, "float32", False),
        ("cpu", "avx512_bf16 amx_bf16", 784, "bfloat16", True),
        ("cpu", "avx512_bf16 amx_bf16", 64, "float32", False),
        ("cuda", "avx2", 64, "bfloat16", True),
    ],
)
def test_a_run_takes_the_precision_that_its_machine_is_made_for(
    device, flags, pixels, precision, compiling, monkeypatch
):
    monkeypatch.setattr(environment, "_instructions", lambda: frozenset(flags.split()))
    monkeypatch.setenv("CXX", "c++")  # whether there is a compiler is another question
    device, net = torch.device(device), torch.nn.Identity()
    assert environment.pick_precision("auto", device, pixels) == precision
    assert environment.compiled(net, "auto", precision, device, print)[1] == compiling
    for wish in ("float32", "bfloat16"):
        assert environment.pick_precision(wish, device, pixels) == wish
        for asked in (True, False):
            assert environment.compiled(net, asked, wish, device, print)[1] == asked


@pytest.mark.skipif((platform.system(), platform.machine()) != ("Linux", "x86_64"), reason="Linux's names on x86")
def test_the_cpus_extensions_are_those_that_torch_finds():
    names = {"DEFAULT": "sse2", "AVX2": "avx2", "AVX512": "avx512f"}
    assert names.get(torch.backends.cpu.get_cpu_capability(), "sse2") in environment._instructions()
