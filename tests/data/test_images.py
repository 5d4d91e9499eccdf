"""Image files and .npz: the same pixels in any form are the same set, and what cannot be kept is refused by name."""

import io
import zipfile
from itertools import combinations_with_replacement
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from eval.judging.net import judge_images
from eval.scores.score import Bench, score
from eval.scores.sets import Asked, evaluate
from zoo.base.errors import ZooError
from zoo.config.control import Setting
from zoo.data.imagefile import read_image
from zoo.data.images import doubts, read_images
from zoo.data.npz import read_npz
from zoo.data.sets import source
from zoo.sampling.model import Model
from zoo.training import checkpoint
from zoo.training.run import train

PIXELS = np.random.default_rng(0).integers(0, 256, (7, 5), dtype=np.uint8)
SIDE = source("digits").spec
TURNS = {  # EXIF's orientation -> what turns the upright image into the stored one
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}  # fmt: skip
WIDE = PIXELS.astype(np.uint16)
CLEAR = np.stack([PIXELS] * 3 + [np.where(PIXELS[0, 0] == PIXELS, 254, 255)], axis=-1).astype(np.uint8)
COLOUR = np.stack([PIXELS, PIXELS, PIXELS ^ 4], axis=-1)


def grey(mode: str) -> Image.Image:
    return Image.fromarray(PIXELS).convert(mode)


def stored(image: Image.Image, form: str, **how) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **how)
    return out.getvalue()


KEPT = {
    **{f"{mode} png": stored(grey(mode), "PNG") for mode in ("L", "P", "LA", "RGB", "RGBA")},
    **{f"{mode} tiff": stored(grey(mode), "TIFF") for mode in ("L", "P", "RGB", "RGBA")},
    **{f"{mode} webp": stored(grey(mode), "WEBP", lossless=True) for mode in ("L", "RGBA")},
    "16 bits png": stored(Image.fromarray(WIDE * 257), "PNG"),
    "16 bits tiff": stored(Image.fromarray(WIDE * 257), "TIFF"),
    "a packed tiff": stored(grey("L"), "TIFF", compression="tiff_lzw"),
    "sRGB": stored(grey("RGB"), "PNG", icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()),
}  # fmt: skip
REFUSED = {
    "16 bits between": (stored(Image.fromarray(WIDE * 256), "PNG"), "multiples of 257"),
    "12 bits in 16": (stored(Image.fromarray(WIDE * 16), "TIFF"), "multiples of 257"),
    "32 bits": (stored(grey("I"), "TIFF"), "signed or floating|mode I"),
    "floats": (stored(grey("F"), "TIFF"), "floating"),
    "cmyk": (stored(grey("CMYK"), "JPEG"), "mode CMYK"),
    "colours": (stored(Image.fromarray(COLOUR), "PNG"), "holds colours"),
    "clear png": (stored(Image.fromarray(CLEAR), "PNG"), "transparent"),
    "clear webp": (stored(Image.fromarray(CLEAR), "WEBP", lossless=True), "transparent"),
    "a clear value": (stored(grey("L"), "PNG", transparency=int(PIXELS[0, 0])), "transparent"),
    "a clear value of 16": (stored(Image.fromarray(WIDE * 257), "PNG", transparency=int(PIXELS[0, 0]) * 257),
                            "transparent"),
    "two images": (stored(grey("L"), "TIFF", save_all=True, append_images=[grey("L")]), "holds 2 images"),
    "a profile": (stored(grey("RGB"), "PNG", icc_profile=ImageCms.ImageCmsProfile(
        ImageCms.createProfile("XYZ")).tobytes()), "colour profile 'XYZ"),
    "a negative": (stored(Image.fromarray(WIDE * 257), "TIFF", tiffinfo={262: 0}), "negative"),
    "torn": (stored(grey("L"), "PNG")[:60], "cannot be read|damaged"),
    "empty": (b"", "is no PNG"),
    "a page": (b"<html>", "is no PNG"),
}  # fmt: skip


@pytest.mark.parametrize("name", KEPT)
def test_every_lossless_form_gives_the_same_pixels(name, tmp_path):
    (tmp_path / "x").write_bytes(KEPT[name])  # known by its content
    assert np.array_equal(read_image(tmp_path / "x"), PIXELS)


@pytest.mark.parametrize("form", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("way", TURNS)
def test_an_image_is_turned_as_exif_says(form, way, tmp_path):
    exif = Image.Exif()
    exif[274] = way
    how = {"lossless": True} if form == "WEBP" else {}
    (tmp_path / "x").write_bytes(stored(Image.fromarray(PIXELS).transpose(TURNS[way]), form, exif=exif, **how))
    assert np.array_equal(read_image(tmp_path / "x"), PIXELS)


@pytest.mark.parametrize(("data", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_what_eight_bits_of_grey_cannot_keep_is_refused_by_name(data, said, tmp_path):
    (tmp_path / "x.png").write_bytes(data)
    with pytest.raises(ZooError, match=f"x.png.*({said})"):
        read_image(tmp_path / "x.png")


def test_grey_images_in_npz_need_no_axis_of_channels(digits, tmp_path):
    """As np.savez writes them, with labels or without; of colours the axis is needed."""
    images, labels = digits.test[:30, 0].numpy(), digits.test_labels[:30].numpy()
    np.savez(tmp_path / "a.npz", images, labels)
    np.savez(tmp_path / "b.npz", images[..., None], labels)
    (flat, ours, _), (usual, theirs, _) = (read_npz(tmp_path / f"{name}.npz", SIDE) for name in "ab")
    assert np.array_equal(flat, images) and np.array_equal(usual, images)
    assert ours.tolist() == theirs.tolist() == labels.tolist()
    np.savez(tmp_path / "large.npz", np.zeros((30, 28, 9), np.uint8))
    with pytest.raises(ZooError, match=r"of 28 x 9 pixels, .* 8 x 8 \(arr_0 is \[30, 28, 9\], read as \[N, H, W\]\)"):
        read_npz(tmp_path / "large.npz", SIDE)
    np.savez(tmp_path / "colour.npz", np.zeros((30, 32, 32), np.uint8))
    with pytest.raises(ZooError, match=r"should hold images \[N, H, W, C\] as arr_0, not \[30, 32, 32\]"):
        read_npz(tmp_path / "colour.npz", source("cifar10").spec)
    np.savez(tmp_path / "named.npz", images=images)
    with pytest.raises(ZooError, match=r"holds images; .* arr_0: np\.savez\(FILE, images, labels\)"):
        read_npz(tmp_path / "named.npz", SIDE)


def folder_of(images: np.ndarray, folder: Path, name: str = "{}.png") -> Path:
    folder.mkdir()
    for i, image in enumerate(images):
        Image.fromarray(image).save(folder / name.format(i), "PNG")
    return folder


def test_a_folder_is_read_whole_in_the_order_of_its_numbers(digits, tmp_path):
    images = digits.test[:30, 0].numpy()
    folder = folder_of(images, tmp_path / "a")
    (folder / "29.png").rename(folder / "29.PNG")
    (folder / "._0.png").write_bytes(b"a Macintosh leaves these")
    (folder / "notes.txt").write_text("no image")
    assert np.array_equal(read_images(folder, SIDE).images[:, 0].numpy(), images)
    (folder / "30.bmp").write_bytes(b"BM")
    with pytest.raises(ZooError, match=r"1 image file \(30.bmp\) of a kind that is not read"):
        read_images(folder, SIDE)
    (folder / "30.bmp").unlink()
    folder_of(images[:1], folder / "more")
    with pytest.raises(ZooError, match=r"1 folder \(more\) below it"):
        read_images(folder, SIDE)


def test_a_folder_of_a_whole_disk_is_searched_for_a_bounded_time(tmp_path, monkeypatch):
    """`eval.fid /` once walked the disk before it answered."""
    looked = 0
    entries = Path.rglob

    def counting(self, pattern):
        nonlocal looked
        for entry in entries(self, pattern):
            looked += 1
            yield entry

    monkeypatch.setattr(Path, "rglob", counting)
    monkeypatch.setattr("zoo.data.images.LOOKED", 50)
    for number in range(200):
        (tmp_path / "disk" / str(number)).mkdir(parents=True)
    with pytest.raises(ZooError, match="holds no PNG"):
        read_images(tmp_path, SIDE)
    assert looked == 50


def test_a_set_is_at_distance_0_from_itself_in_every_form_and_scores_alike(digits, cpu, tmp_path):
    images, labels = digits.test[:, 0].numpy(), digits.test_labels.numpy()
    np.savez(tmp_path / "labels.npz", arr_0=images[..., None], arr_1=labels)
    np.savez(tmp_path / "none.NPZ.npz", arr_0=images[..., None].repeat(3, -1))
    (tmp_path / "none.NPZ.npz").rename(tmp_path / "none.NPZ")
    np.savez_compressed(tmp_path / "torch.npz", arr_0=images[:, None], arr_1=labels.astype(">u2"))
    folder_of(images, tmp_path / "numbers")
    folder_of(images[::-1], tmp_path / "turned")
    forms = [tmp_path / name for name in ("labels.npz", "none.NPZ", "torch.npz", "numbers", "turned")]
    asked, found = Asked(1000, "digits", tmp_path / "data"), []
    for a, b in zip(forms, forms[1:] + forms[:1], strict=True):
        two = evaluate([a, b], Setting(), asked, cpu)
        assert abs(two["between"]["fid"]) < 1e-6, (a, b)
        assert two["between"]["fid_se"] < 1e-6, (a, b)
        found.append(two["a"]["score"])
    shared = [key for key, value in found[1].items() if isinstance(value, float)]
    assert {"fid", "fid_se", "fid2", "kid", "precision"} <= set(shared)
    for one, other in ((0, 2), (1, 3)):  # with labels, and without
        assert [found[other][key] for key in shared] == pytest.approx([found[one][key] for key in shared])
    blocks = {"fid", "fid_se", "fid2", "fid2_se", "kid"}  # follow labels where there are some, else the judge
    assert all(found[0][key] == pytest.approx(found[1][key]) for key in set(shared) - blocks)
    assert all(abs(found[0][key] - found[1][key]) < 0.05 * found[1]["fid_se"] for key in ("fid", "fid2", "kid"))
    assert found[0]["acc"] == found[2]["acc"] > 0.9


def test_a_checkpoint_is_at_distance_0_from_its_images_in_every_form(tiny, digits, cpu, tmp_path):
    asked, how = Asked(300, "digits", tmp_path / "data"), Setting(steps=4)
    train(tiny(images=16 * 60), tmp_path / "run", digits, cpu)
    model = Model(*checkpoint.find(tmp_path / "run"), cpu, asked.batch)
    scored = score(model, how, asked.n, Bench.load(digits, asked.data_dir, cpu))
    images, labels = scored.images[: asked.n, 0].numpy(), scored.labels[: asked.n].numpy()
    np.savez(tmp_path / "labels.npz", arr_0=images[..., None], arr_1=labels)
    np.savez(tmp_path / "none.npz", arr_0=images[..., None].repeat(3, -1))
    folder_of(images, tmp_path / "files")
    newest = max((tmp_path / "run").glob("step-*.safetensors"))
    forms = [tmp_path / "run", newest, tmp_path / "labels.npz", tmp_path / "none.npz", tmp_path / "files"]
    rows = {}
    for a, b in combinations_with_replacement(forms, 2):
        two = evaluate([a, b], how, asked, cpu)
        assert two["between"]["fid_plain"] < 1e-9, (a, b)
        assert abs(two["between"]["fid"]) < 1e-9, (a, b)
        assert two["between"]["fid_se"] < 1e-9, (a, b)
        rows |= {a: two["a"]["score"], b: two["b"]["score"]}
    first, *others = (rows[form] for form in forms)
    for row in others:  # what does not depend on the cut into blocks, which follows the classes that were asked for
        for key in ("fid_plain", "pfd", "precision", "recall", "density", "coverage", "is", "mem", "duplicates"):
            assert row[key] == pytest.approx(first[key], rel=1e-9), key
        assert abs(row["fid"] - first["fid"]) < first["fid_se"] / 2
    assert first["acc"] == rows[tmp_path / "labels.npz"]["acc"]


def test_a_collapsed_set_has_the_distance_of_a_point(digits, cpu, tmp_path):
    """One image many times: |mean - f(x)|^2 + tr C, and no number that is not finite; 0 from itself."""
    np.savez(tmp_path / "one.npz", arr_0=digits.test[:1, 0, ..., None].expand(300, -1, -1, -1).numpy())
    two = evaluate([tmp_path / "one.npz"] * 2, Setting(), Asked(1000, "digits", tmp_path / "data"), cpu)
    bench = Bench.load(digits, tmp_path / "data", cpu)
    at = judge_images(bench.judge, digits.test[:1])[0][0].double().numpy()
    point = np.square(bench.real.train.mean - at).sum() + np.trace(bench.real.train.cov)
    row = two["a"]["score"]
    assert row["fid_plain"] == pytest.approx(point, rel=1e-6)
    assert row["fid"] == pytest.approx(point, rel=1e-6)
    assert row["is"] == pytest.approx(1)
    assert (row["recall"], two["between"]["fid"]) == (0, 0)
    assert all(np.isfinite(value) for value in row.values() if isinstance(value, float))


def test_pixels_that_look_scaled_wrong_are_said(digits):
    real = digits.train
    assert doubts(digits.test, real) == []
    assert doubts((digits.test > 127).to(torch.uint8) * 255, real) == []
    for wrong, word in (
        ((digits.test > 127).to(torch.uint8), "above 1 of 255"),
        (digits.test // 16, "above 15 of 255"),
        (255 - digits.test, "negatives"),
        (digits.test // 2 + 128, "below 128"),
        (torch.tensor([0, 1, 255], dtype=torch.uint8).expand(9, 1, 3, 3), "-1, 1"),
    ):
        (told,) = doubts(wrong, real)
        assert word in told


GOOD = np.arange(200 * 64, dtype=np.uint8).reshape(200, 8, 8, 1)
NPZ = {
    "labels that are floats": ({"arr_1": np.arange(200) % 10 - 0.001}, "labels as integers, 0 to 11, not float64"),
    "labels that are words": ({"arr_1": np.array(["3"] * 200)}, "labels as integers"),
    "labels that are true or false": ({"arr_1": np.zeros(200, bool)}, "labels as integers"),
    "labels one-hot": ({"arr_1": np.eye(10, dtype=int)[np.arange(200) % 10]}, "one label for each"),
    "negative labels": ({"arr_1": np.full(200, -1)}, "classes -1 to -1"),
    "labels beyond 2^63": ({"arr_1": np.full(200, 2**64 - 1, np.uint64)}, "not 0 to 11"),
    "one number": ({"arr_0": np.uint8(3)}, r"not \[\]"),
    "no channel": ({"arr_0": GOOD[..., :0]}, r"not \[200, 8, 8, 0\]"),
    "words": ({"arr_0": GOOD.astype(str)}, "should hold uint8"),
    "four channels": ({"arr_0": GOOD.repeat(4, -1)}, "4 channels"),
    "torch's order of another size": ({"arr_0": np.zeros((200, 1, 28, 28), np.uint8)}, "images of 28 x 28 pixels"),
    "pickled": ({"arr_0": np.array([{}], object)}, "cannot be read as .npz"),
}


@pytest.mark.parametrize(("arrays", "said"), NPZ.values(), ids=NPZ.keys())
def test_an_npz_of_another_kind_is_refused_by_name(arrays, said, tmp_path):
    np.savez(tmp_path / "x.npz", **{"arr_0": GOOD, **arrays})
    with pytest.raises(ZooError, match=f"x.npz.*{said}"):
        read_npz(tmp_path / "x.npz", SIDE)


def test_one_array_renamed_is_named(tmp_path):
    np.save(tmp_path / "x.npy", GOOD)
    (tmp_path / "x.npy").rename(tmp_path / "x.npz")
    with pytest.raises(ZooError, match="one array, .npy, renamed"):
        read_npz(tmp_path / "x.npz", SIDE)


def damaged(count: int, folder: Path) -> None:
    """Flip, cut, put in and take out bytes: the same images and labels come back, or one ZooError."""
    images, labels = GOOD[:20], np.arange(20) % 10
    whole = []
    for save in (np.savez, np.savez_compressed):
        save(folder / "good.npz", arr_0=images, arr_1=labels)
        whole.append((folder / "good.npz").read_bytes())
    path = folder / "bad.npz"

    @settings(max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(data=st.data())
    def attempt(data):
        raw = bytearray(data.draw(st.sampled_from(whole)))
        for _ in range(data.draw(st.integers(1, 3))):
            place = data.draw(st.integers(0, len(raw) - 1))
            how = data.draw(st.sampled_from(["flip", "set", "cut", "insert", "take"]))
            if how == "flip":
                raw[place] ^= 1 << data.draw(st.integers(0, 7))
            elif how == "set":
                raw[place] = data.draw(st.integers(0, 255))
            elif how == "cut":
                del raw[max(1, place) :]
            elif how == "insert":
                raw[place:place] = data.draw(st.binary(min_size=1, max_size=8))
            elif len(raw) > 9:
                del raw[place : place + data.draw(st.integers(1, 8))]
            if not raw:
                raw = bytearray(b"P")
        path.write_bytes(raw)
        try:
            found, known, _ = read_npz(path, SIDE)
        except ZooError:
            return
        assert np.array_equal(found, images[..., 0])
        assert known is not None and known.tolist() == labels.tolist()

    attempt()


def test_damaged_bytes_are_one_error(tmp_path):
    damaged(200, tmp_path)


@pytest.mark.slow
def test_five_thousand_damaged_files_are_one_error(tmp_path):
    damaged(5000, tmp_path)


def test_a_second_array_of_the_same_name_is_refused(tmp_path):
    np.savez(tmp_path / "x.npz", arr_0=GOOD)
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(tmp_path / "x.npz", "a") as archive:
        archive.writestr("arr_0.npy", b"")
    with pytest.raises(ZooError, match="two arrays of one name"):
        read_npz(tmp_path / "x.npz", SIDE)
