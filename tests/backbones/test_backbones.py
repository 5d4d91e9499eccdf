"""Backbones: shapes, a start at zero, gradients to every parameter, labels and times that matter, sizes refused."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from zoo import registry
from zoo.backbones.conditioning import sinusoid
from zoo.backbones.dit import attention, place_table, rotary_table, rotate
from zoo.base.errors import ZooError
from zoo.benchmark.speed import activation_bytes

SMALL = {"dit": "dit(width=32,depth=2,heads=2)", "unet": "unet(width=64)"}
TINY = (1, 8, 8)


def fresh(name: str, shape=TINY) -> nn.Module:
    torch.manual_seed(0)
    return registry.backbone(name, shape, 10)


def awake(name: str, shape=TINY) -> nn.Module:
    """The network with its zero-initialised layers randomised."""
    net = fresh(name, shape)
    for parameter in net.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.1)
    return net


def inputs(count: int, shape=TINY):
    x = torch.randn((count, *shape), generator=torch.Generator().manual_seed(4))
    return x, torch.linspace(0, 1, count), torch.arange(count) % 11


@pytest.mark.parametrize("shape", [(1, 28, 28), TINY, (3, 8, 12)], ids=str)
@pytest.mark.parametrize("name", registry.BACKBONES)
def test_default_sizes_keep_the_shape_and_start_at_zero(name, shape):
    x, time, labels = inputs(2, shape)
    out = fresh(name, shape)(x, time, labels)
    assert out.shape == x.shape
    assert out.dtype == x.dtype
    assert not out.any()


@pytest.mark.parametrize(("name", "millions"), [("dit", 3.8), ("unet", 4.6)])
def test_default_parameter_counts(name, millions):
    count = sum(parameter.numel() for parameter in fresh(name, (1, 28, 28)).parameters())
    assert count == pytest.approx(millions * 1e6, rel=0.1)


@pytest.mark.parametrize("name", registry.BACKBONES)
def test_gradient_reaches_every_parameter(name):
    """Except a U-Net's key biases: they add one number to all scores of a query, which softmax ignores."""
    net = awake(SMALL[name])
    x, time, labels = inputs(22)
    net(x, time, labels).square().mean().backward()
    without = [
        key
        for key, parameter in net.named_parameters()
        if parameter.grad is None or (parameter.grad.abs().max() < 1e-8 and not key.endswith("to_k.bias"))
    ]
    assert not without


@pytest.mark.parametrize("name", registry.BACKBONES)
def test_training_leaves_the_zero_start(name):
    """The zero layers must not block each other: two steps move the output, and the second lowers the error."""
    net = fresh(SMALL[name])
    x, time, labels = inputs(8)
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-2)
    errors = []
    for _ in range(3):
        error = (net(x, time, labels) - x).square().mean()
        errors.append(error.item())
        optimizer.zero_grad()
        error.backward()
        optimizer.step()
    assert errors[2] < errors[1] < errors[0]


@pytest.mark.parametrize("name", registry.BACKBONES)
def test_every_label_and_none_give_another_output(name):
    net = awake(SMALL[name])
    with torch.no_grad():
        out = net(inputs(1)[0].expand(11, -1, -1, -1), torch.full((11,), 0.5), torch.arange(11)).flatten(1)
    assert (torch.cdist(out, out) + torch.eye(11)).min() > 1e-3


@pytest.mark.parametrize("name", registry.BACKBONES)
def test_time_matters_at_both_ends(name):
    net = awake(SMALL[name])
    times = torch.tensor([0.0, 0.001, 0.5, 0.999, 1.0])
    with torch.no_grad():
        out = net(inputs(1)[0].expand(5, -1, -1, -1), times, torch.zeros(5, dtype=torch.int64)).flatten(1)
    assert (torch.cdist(out, out) + torch.eye(5)).min() > 1e-3


@pytest.mark.parametrize("name", registry.BACKBONES)
def test_images_of_a_batch_do_not_mix(name):
    net = awake(SMALL[name])
    x, time, labels = inputs(4)
    with torch.no_grad():
        torch.testing.assert_close(net(x, time, labels)[2:3], net(x[2:3], time[2:3], labels[2:3]), rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", registry.BACKBONES)
def test_checkpointing_keeps_less_and_changes_no_number(name):
    gradients, kept, given = [], [], inputs(8)
    for checkpointing in (False, True):
        net = awake(SMALL[name])
        if checkpointing:
            net.enable_gradient_checkpointing()
        kept.append(activation_bytes(lambda net=net: net(*given).square().mean().backward()))
        gradients.append([p.grad for p in net.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))
    weights = sum(p.numel() * p.element_size() for p in net.parameters())
    assert kept[1] - weights < (kept[0] - weights) / 2


def test_sizes_are_arguments():
    net = fresh("dit(width=64,depth=4,heads=4,patch=4)")
    assert len(net.blocks) == 4
    assert net.embed.weight.shape == (64, 16)
    assert {block.heads for block in net.blocks} == {4}
    assert fresh("dit(width=128)").blocks[0].heads == 2  # one for each 64 of width
    assert fresh("unet(width=32)").net.config.block_out_channels == (32, 64, 64)
    narrow, deep = (sum(p.numel() for p in fresh(f"unet(width=32,layers={n})").parameters()) for n in (1, 2))
    assert deep > 1.3 * narrow
    for count in (0, 1, 2):
        kinds = fresh(f"unet(width=32,attention={count})").net.config.down_block_types
        assert kinds == ("DownBlock2D",) * (3 - count) + ("AttnDownBlock2D",) * count


@pytest.mark.parametrize(
    ("name", "shape", "reason"),
    [
        ("dit(patch=3)", (1, 28, 28), "patch=3 does not divide the image's 28 x 28"),
        ("dit(patch=0)", TINY, "at least 1"),
        ("dit(depth=0)", TINY, "at least 1"),
        ("dit(width=130,heads=4)", TINY, "width=130 over 4 heads"),
        ("dit(width=24,heads=4)", TINY, "multiple of 4"),
        ("dit(width=64.5)", TINY, "whole number"),
        ("dit(width=1e999)", TINY, "number"),
        ("dit(breadth=64)", TINY, "width, depth, heads, patch"),
        ("dit(1,2,3,4,5,6,7)", TINY, "width, depth, heads, patch, stream, qk_norm"),
        ("unet", (1, 30, 28), "30 x 28 pixels are not multiples of 4"),
        ("unet(width=40)", TINY, "multiple of 16"),
        ("unet(layers=0)", TINY, "layers at least 1"),
        ("unet(attention=4)", TINY, "must be 0, 1, 2 or 3"),
        ("unet(head=48)", TINY, "head=48 must divide"),
    ],
)
def test_wrong_sizes_are_refused_with_the_reason(name, shape, reason):
    with pytest.raises(ZooError, match=reason) as caught:
        registry.backbone(name, shape, 10)
    assert caught.value.exit_code == 2


def test_attention_on_the_cpu_is_the_fused_one():
    generator = torch.Generator().manual_seed(5)
    q, k, v = torch.randn((3, 2, 4, 17, 16), generator=generator)
    torch.testing.assert_close(attention(q, k, v), F.scaled_dot_product_attention(q, k, v), rtol=0, atol=1e-5)


@pytest.mark.parametrize("grid", [(7, 7), (2, 5)], ids=str)
def test_places_are_diffusers(grid):
    from diffusers.models.embeddings import get_2d_sincos_pos_embed_from_grid

    column, row = torch.meshgrid(torch.arange(grid[1]), torch.arange(grid[0]), indexing="xy")
    expected = get_2d_sincos_pos_embed_from_grid(32, torch.stack([column, row]), output_type="pt")
    torch.testing.assert_close(place_table(*grid, 32), expected.float(), rtol=0, atol=1e-6)


def test_equal_patches_enter_the_first_block_as_unequal_tokens():
    net, seen = fresh("dit(width=32)"), []
    net.blocks[0].register_forward_pre_hook(lambda block, given: seen.append(given[0]))
    net(torch.ones((1, *TINY)), torch.zeros(1), torch.zeros(1, dtype=torch.int64))
    tokens = seen[0][0, 1:]
    assert (torch.cdist(tokens, tokens) + torch.eye(len(tokens))).min() > 0.1


def rotary_scores(rows: int, columns: int, head: int) -> torch.Tensor:
    """Scores of one query with one key put at every pair of positions, [1 + rows * columns, same]."""
    angle = rotary_table(rows, columns, head).double()
    q, k = torch.randn((2, head), generator=torch.Generator().manual_seed(6), dtype=torch.float64)
    q, k = (rotate(h.expand(1, 1, len(angle), -1), angle.cos(), angle.sin())[0, 0] for h in (q, k))
    return q @ k.T


def test_rotary_scores_depend_on_relative_positions_only():
    rows, columns = 4, 5
    scores = rotary_scores(rows, columns, 16)[1:, 1:]
    place = [(row, column) for row in range(rows) for column in range(columns)]
    by_offset: dict[tuple[int, int], list[float]] = {}
    for i, (row, column) in enumerate(place):
        for j, (other_row, other_column) in enumerate(place):
            by_offset.setdefault((other_row - row, other_column - column), []).append(scores[i, j].item())
    assert max(max(values) - min(values) for values in by_offset.values()) < 1e-5
    means = torch.tensor([values[0] for values in by_offset.values()])
    assert (means[:, None] - means + torch.eye(len(means))).abs().min() > 1e-4  # and tell the offsets apart


def test_rotary_leaves_the_class_token_and_all_lengths():
    angle = rotary_table(3, 3, 8)
    h = torch.randn((1, 1, 10, 8), generator=torch.Generator().manual_seed(7))
    turned = rotate(h, angle.cos(), angle.sin())
    assert torch.equal(turned[:, :, 0], h[:, :, 0])
    torch.testing.assert_close(turned.norm(dim=-1), h.norm(dim=-1))


def test_sinusoid_is_diffusers():
    from diffusers.models.embeddings import get_timestep_embedding

    time = torch.tensor([0, 0.001, 0.5, 1.0])
    expected = get_timestep_embedding(1000 * time, 256, flip_sin_to_cos=True, downscale_freq_shift=0)
    torch.testing.assert_close(sinusoid(time, 256), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", registry.BACKBONES)
def test_a_network_of_two_times_begins_as_the_one_of_one_time(name):
    """The same weights where both have them, the same output for any second time; and one that learns hears of it."""
    x, time, labels = inputs(6)
    torch.manual_seed(0)
    told, plain = registry.backbone(SMALL[name], TINY, 10, until=True), fresh(SMALL[name])
    known = {key.replace("label.weight", "net.class_embedding.weight") if name == "unet" else key: value
             for key, value in told.state_dict().items()}  # fmt: skip
    assert all(torch.equal(known[key], value) for key, value in plain.state_dict().items())
    for net in (told, plain):
        for key, parameter in net.named_parameters():
            if not parameter.any() and "span" not in key:
                nn.init.constant_(parameter, 0.05)
    assert torch.equal(told(x, time, labels, time / 2), plain(x, time, labels))
    nn.init.normal_(told.span.mlp[2].weight, std=0.5)
    first, second = (told(x, time, labels, time * share) for share in (0.5, 0.25))
    assert (first - second).abs()[1:].amax(dim=(1, 2, 3)).min() > 1e-4
    told(x, time, labels, time / 2).square().mean().backward()
    assert all(p.grad is not None and p.grad.any() for p in told.span.parameters())


def test_a_backbone_of_one_time_is_refused_where_two_are_told(monkeypatch):
    monkeypatch.setattr(type(registry.backbone_size("dit")), "tells_until", False)
    with pytest.raises(ZooError, match="is told one time"):
        registry.backbone("dit", TINY, 10, until=True)
