"""Stages: teachers that are trained first, named by their configuration, and reused; what a scheme trains with."""

import dataclasses

import pytest
import torch

from zoo.base.errors import ZooError
from zoo.registry import TAUGHT, objective
from zoo.training import checkpoint, trainer
from zoo.training import run as training
from zoo.training.teaching import IMAGES_A_PAIR, Nets, pairs_of


def weights(folder, part: str) -> dict[str, torch.Tensor]:
    return checkpoint.part(checkpoint.find(folder)[1], part)


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("name", [name for name in TAUGHT if not objective(name).scheme.from_pairs])
def test_schemes_see_the_same_random_numbers_as_every_objective(name, tiny, digits, cpu):
    ours, theirs = (trainer.Batches(tiny(objective=one), digits, cpu)(5) for one in (name, "rf"))
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_a_stage_trains_its_teacher_first_and_begins_at_its_average(tiny, digits, cpu, tmp_path, monkeypatch):
    begun = []
    plain = trainer.Trainer.warm_up

    def warm_up(self):
        begun.append({name: p.detach().clone() for name, p in self.module.named_parameters()})
        plain(self)

    monkeypatch.setattr(trainer.Trainer, "warm_up", warm_up)
    manifest = training.train(tiny(objective="reflow(reflow(rf))"), tmp_path / "run", digits, cpu)
    assert len(begun) == 3
    first, second = tmp_path / "run/teacher/teacher", tmp_path / "run/teacher"
    assert same(begun[1], weights(first, "ema"))
    assert same(begun[2], weights(second, "ema"))
    assert manifest["teacher"]["objective"] == "reflow(rf)"
    assert manifest["teacher"]["sha256"] == checkpoint.find(second)[0]["sha256"]
    seconds = [checkpoint.find(folder)[0]["seconds"] for folder in (first, second)]
    assert manifest["teacher"]["seconds"] == pytest.approx(sum(seconds))
    training.train(tiny(), tmp_path / "alone", digits, cpu)
    assert same(weights(tmp_path / "alone", "ema"), weights(first, "ema"))  # it is the run that rf has anywhere


def test_a_finished_teacher_is_reused_and_another_is_refused(tiny, digits, cpu, tmp_path):
    training.train(tiny(objective="v/cosine"), tmp_path / "teacher", digits, cpu)
    config = tiny(objective="progressive(v/cosine,8)")
    manifest = training.train(config, tmp_path / "run", digits, cpu, teacher=tmp_path / "teacher")
    assert not (tmp_path / "run/teacher").exists()
    assert manifest["teacher"]["sha256"] == checkpoint.find(tmp_path / "teacher")[0]["sha256"]
    other = config.model_copy(update={"seed": 1})
    with pytest.raises(ZooError, match="seed: asked 1, found 0"):
        training.train(other, tmp_path / "other", digits, cpu, teacher=tmp_path / "teacher")
    with pytest.raises(
        ZooError, match="taught by v/cosine, whose run in .* is not there or not finished: train it first"
    ):
        training.train(config, tmp_path / "none", digits, cpu, teacher=tmp_path / "nowhere")
    with pytest.raises(ZooError, match="Give another teacher, or this run its options"):
        training.train(other, tmp_path / "other", digits, cpu, teacher=tmp_path / "teacher")
    (tmp_path / "bare").mkdir()
    for path in (tmp_path / "teacher").glob("step-*.json"):
        (tmp_path / "bare" / path.name).write_bytes(path.read_bytes())
    with pytest.raises(ZooError, match="whose run in .*bare has no weights that can be read: delete it, and train it"):
        training.train(config, tmp_path / "taught", digits, cpu, teacher=tmp_path / "bare")
    changed = dataclasses.replace(digits, sha256="0" * 64)
    with pytest.raises(ZooError, match="begun with other images"):
        training.train(config, tmp_path / "changed", changed, cpu, teacher=tmp_path / "teacher")
    with pytest.raises(ZooError, match="rf has no teacher: leave out"):
        training.train(tiny(), tmp_path / "alone", digits, cpu, teacher=tmp_path / "teacher")


def test_a_run_goes_on_with_the_teacher_that_it_began_with(tiny, digits, cpu, tmp_path, stopped_at):
    config = tiny(objective="progressive(v/cosine,8)")
    training.train(tiny(objective="v/cosine"), tmp_path / "teacher", digits, cpu)
    with stopped_at(7):
        training.train(config, tmp_path / "run", digits, cpu, teacher=tmp_path / "teacher")
    newest = checkpoint.manifests(tmp_path / "teacher")[0]
    manifest, tensors = checkpoint.read(newest)
    changed = {name: tensor + 1 for name, tensor in tensors.items()}
    facts = {key: value for key, value in manifest.items() if key not in ("step", "sha256", "bytes", "schema_version")}
    checkpoint.save(tmp_path / "teacher", manifest["step"], changed, facts)
    with pytest.raises(ZooError, match="begun with another teacher"):
        training.train(config, tmp_path / "run", digits, cpu, teacher=tmp_path / "teacher")


def test_pairs_join_noise_and_the_end_of_the_flow_from_it(tiny, digits, cpu):
    """A network of v = eps - x for N(0, 1) data on the line: the flow from eps ends at eps itself."""
    chosen, config = objective("reflow(rf)"), tiny(objective="reflow(rf)", images=16 * 60)

    def normal(x_in, time, labels):
        cos, sin = (torch.pi / 2 * (1 - time)).sin(), (torch.pi / 2 * time).sin()
        return (sin - cos).view(-1, 1, 1, 1) * x_in

    x, eps, labels = pairs_of(config, chosen, normal, digits, cpu)
    assert len(x) == len(eps) == len(labels) == 16 * 60 // IMAGES_A_PAIR
    torch.testing.assert_close(x, eps, rtol=0.02, atol=0.02)  # eight steps err by 1%
    again = pairs_of(config, chosen, normal, digits, cpu)
    assert all(torch.equal(a, b) for a, b in zip((x, eps, labels), again, strict=True))
    assert set(labels.tolist()) <= set(digits.augmented[1].tolist())
    batches = trainer.Batches(config, digits, cpu, (x, eps, labels))
    first, _, _, noise = batches(0)
    torch.testing.assert_close(first, noise, rtol=0.02, atol=0.02)  # still in pairs
    assert len({tuple(one.flatten().tolist()) for k in range(10) for one in batches(k)[0]}) == len(x)  # all, once


def test_the_averaged_network_follows_the_average(tiny, digits, cpu, tmp_path):
    made = trainer.Trainer(tiny(objective="shortcut(128)", ema=0.5), digits, tmp_path, cpu)
    x, time = torch.randn(4, 1, 8, 8), torch.tensor([0.1, 0.4, 0.6, 0.9])
    labels = torch.arange(4)
    for k in range(6):
        made.step(k)
    assert isinstance(made.nets, Nets)
    plain = trainer.initialise(tiny(objective="shortcut(128)"), digits.spec, cpu)
    plain.load_state_dict(made.state.ema)
    with torch.no_grad():
        assert torch.equal(made.nets.average(x, time, labels, time / 2), plain(x, time, labels, time / 2))
        assert not torch.equal(made.net(x, time, labels, time / 2), plain(x, time, labels, time / 2))
    assert all(p.grad is None for p in plain.parameters())


def test_a_scheme_is_not_cut_into_parts(tiny, digits, cpu, tmp_path):
    """Its averaged and teaching networks are not shared out, so half of a batch would be learnt from other ones."""
    with pytest.raises(ZooError, match="takes other networks beside the one that is trained"):
        trainer.Trainer(tiny(objective="shortcut(128)"), digits, tmp_path, cpu, parts=2)
