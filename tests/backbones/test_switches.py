"""What a backbone's name switches: two streams of weights, norms of queries and keys, attention at every resolution."""

import math

import pytest
import torch

from tests.backbones.test_backbones import TINY, awake, fresh, inputs
from zoo import registry
from zoo.base.errors import ZooError
from zoo.training.state import hidden

DOUBLE = "dit(width=32,depth=3,heads=2,stream=double)"


def normed(h: torch.Tensor, weight: torch.Tensor | None) -> torch.Tensor:
    """RMS norm of the last axis, as its paper writes it (arXiv 1910.07467)."""
    return h if weight is None else h / (h.square().mean(-1, keepdim=True) + 1e-6).sqrt() * weight


def standardised(h: torch.Tensor) -> torch.Tensor:
    return (h - h.mean(-1, keepdim=True)) / (h.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()


def joint(net, number: int, h: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
    """One MM-DiT block (arXiv 2403.03206, figure 2b) by einsum over its weights."""
    weights = dict(net.blocks[number].named_parameters())
    heads, width = 2, h.shape[-1]
    head, last = width // heads, number == len(net.blocks) - 1
    streams = {"label": h[:, :1], "image": h[:, 1:]}
    angle = torch.atan2(net.sin, net.cos)
    turns = {"label": angle[:1], "image": angle[1:]}
    queries, keys, values, rest = {}, {}, {}, {}

    def linear(name: str, x: torch.Tensor) -> torch.Tensor:
        return torch.einsum("...i,oi->...o", x, weights[f"{name}.weight"]) + weights[f"{name}.bias"]

    def turned(x: torch.Tensor, turn: torch.Tensor) -> torch.Tensor:
        as_complex = torch.complex(x[..., : head // 2], x[..., head // 2 :]) * torch.polar(torch.ones_like(turn), turn)
        return torch.cat([as_complex.real, as_complex.imag], -1)

    for name, tokens in streams.items():
        only = last and name == "label"
        mixed = linear(f"{name}.modulation", condition * condition.sigmoid())
        shift, scale, *rest[name] = mixed.unflatten(-1, (2 if only else 6, width)).unbind(1)
        given = linear(
            f"{name}.kv" if only else f"{name}.qkv", standardised(tokens) * (1 + scale[:, None]) + shift[:, None]
        )
        parts = given.unflatten(-1, (2 if only else 3, heads, head)).unbind(2)
        found = dict(zip("kv" if only else "qkv", parts, strict=True))
        for kind, kept in (("q", queries), ("k", keys)):
            if kind in found:
                scaled = normed(found[kind], weights.get(f"{name}.{kind}_norm.weight"))
                kept[name] = turned(scaled, turns[name][:, None])
        values[name] = found["v"]
    key, value = (torch.cat([each["label"], each["image"]], 1) for each in (keys, values))
    for name in queries:
        score = torch.einsum("bqhd,bkhd->bhqk", queries[name], key) / math.sqrt(head)
        attended = torch.einsum("bhqk,bkhd->bqhd", score.exp() / score.exp().sum(-1, keepdim=True), value).flatten(2)
        gate_a, shift, scale, gate_m = (part[:, None] for part in rest[name])
        tokens = streams[name] + gate_a * linear(f"{name}.out", attended)
        inner = linear(f"{name}.mlp.0", standardised(tokens) * (1 + scale) + shift)
        inner = inner * (1 + torch.erf(inner / math.sqrt(2))) / 2
        streams[name] = tokens + gate_m * linear(f"{name}.mlp.2", inner)
    return torch.cat([streams["label"], streams["image"]], 1)


@pytest.mark.parametrize("name", [DOUBLE, DOUBLE.replace(")", ",qk_norm=false)")])
def test_two_streams_are_mm_dit_s_joint_attention(name):
    net = awake(name)
    for key, parameter in net.named_parameters():
        if "norm" in key:  # scales of 1 would hide which head has which
            torch.nn.init.uniform_(parameter, 0.5, 1.5)
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    for block in net.blocks:
        block.register_forward_hook(lambda _, given, out: seen.append((given, out)))
    x, time, labels = inputs(5)
    with torch.no_grad():
        net(x, time, labels)
        for number, ((h, condition, *_), out) in enumerate(seen):
            torch.testing.assert_close(joint(net, number, h, condition), out, rtol=0, atol=2e-5)


def test_two_streams_start_at_zero_and_train_every_weight():
    x, time, labels = inputs(22)
    assert not fresh(DOUBLE)(x, time, labels).any()
    net = awake(DOUBLE)
    net(x, time, labels).square().mean().backward()
    assert not [key for key, p in net.named_parameters() if p.grad is None or p.grad.abs().max() < 1e-8]
    assert len(hidden(net)) == 3 * 4 + 2 * 4 + 1  # qkv, out and the perceptron's two of each; of the last label kv


def test_two_streams_hold_twice_the_blocks_weights_and_checkpoint_alike():
    one, two = (fresh(name) for name in (DOUBLE.replace(",stream=double", ""), DOUBLE))
    count = [sum(p.numel() for p in net.blocks.parameters()) for net in (one, two)]
    assert 1.6 < count[1] / count[0] < 2
    least, _ = registry.backbone_size(DOUBLE).least(TINY)
    assert least <= count[1]
    gradients, given = [], inputs(4)
    for checkpointing in (False, True):
        net = awake(DOUBLE)
        if checkpointing:
            net.enable_gradient_checkpointing()
        net(*given).square().mean().backward()
        gradients.append([p.grad for p in net.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


def test_without_qk_norm_scores_grow_with_the_weights_and_with_it_they_do_not():
    """Scaling the queries' and keys' weights by 4 scales the scores by 16, or by nothing."""
    for name, factor in (("dit(width=32,depth=1,heads=2)", 1), ("dit(width=32,depth=1,heads=2,qk_norm=false)", 16)):
        net = awake(name)
        block, scores = net.blocks[0], []
        _, time, labels = inputs(3)
        for times in (1, 4):
            with torch.no_grad():
                block.qkv.weight[:64] *= times
                block.qkv.bias[:64] *= times
                condition = net.time(time) + net.label(labels)
                tokens = torch.randn((3, 17, 32), generator=torch.Generator().manual_seed(1))
                (q, k, _), _ = block.ask(tokens, condition, net.cos, net.sin)
                scores.append(q @ k.transpose(-2, -1))
        torch.testing.assert_close(scores[1], factor * scores[0], rtol=1e-3, atol=1e-3)


def test_the_norms_draw_no_random_numbers():
    """With and without them a seed gives the same initial weights: the two runs are paired."""
    given, without = (dict(fresh(f"dit(width=32{more})").named_parameters()) for more in ("", ",qk_norm=false"))
    assert given.keys() - without.keys() == {f"blocks.{i}.{k}_norm.weight" for i in range(3) for k in "qk"}
    assert all(torch.equal(given[name], weight) for name, weight in without.items())


def test_attention_at_every_resolution():
    net = fresh("unet(width=32,attention=3)").net
    assert set(net.config.down_block_types) == {"AttnDownBlock2D"}
    assert set(net.config.up_block_types) == {"AttnUpBlock2D"}
    out = awake("unet(width=32,attention=3)")(*inputs(2))
    assert out.shape == (2, *TINY)
    assert out.isfinite().all()


@pytest.mark.parametrize(
    ("spelled", "canonical"),
    [
        ("dit(stream=single,qk_norm=true)", "dit"),
        ("dit( width=128, stream = double )", "dit(width=128,stream=double)"),
        ("dit(qk_norm=false)", "dit(qk_norm=false)"),
    ],
)
def test_words_have_one_spelling_that_parses_back(spelled, canonical):
    assert registry.backbone_name(spelled) == canonical
    assert registry.backbone_size(canonical) == registry.backbone_size(spelled)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("dit(stream=triple)", "stream=triple must be single or double"),
        ("dit(stream=2)", "stream must be a word"),
        ("dit(qk_norm=0)", "qk_norm must be true or false"),
        ("dit(qk_norm=no)", "qk_norm must be true or false"),
        ("dit(width=wide)", "width must be a number, not 'wide'"),
        ("dit(double)", "'double' is not a number nor key=number"),
        ("unet(attention=4)", "must be 0, 1, 2 or 3"),
        ("unet(width=16,attention=3)", "head=32 must divide width = 16"),
    ],
)
def test_wrong_words_are_refused_with_the_reason(name, reason):
    with pytest.raises(ZooError, match=reason) as caught:
        registry.backbone(name, TINY, 10)
    assert caught.value.exit_code == 2


def test_an_objective_takes_no_words():
    with pytest.raises(ZooError, match="mean must be a number, not 'low'"):
        registry.objective("rf/lognorm(mean=low,std=1)")
