"""`folder:PATH` and the names of data sets: what is read exactly, what is converted and told, and what is refused."""

import os
import unicodedata

import numpy as np
import pytest
from PIL import Image

from zoo.base.errors import ZooError
from zoo.data import dataset as data
from zoo.data import sets
from zoo.data.cifar import records
from zoo.data.folder import FITTED, fitted
from zoo.data.idx import smaller
from zoo.data.imagefile import GREYED, PAINTED
from zoo.data.spec import Arrays, Spec


def picture(seed: int, height: int = 8, width: int = 8) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


@pytest.fixture
def folder(tmp_path):
    """Two classes of ten colour images of 8 x 8 pixels, `a` and `b`."""
    root = tmp_path / "own"
    for label, name in enumerate("ab"):
        (root / name).mkdir(parents=True)
        for i in range(10):
            Image.fromarray(picture(10 * label + i)).save(root / name / f"{i + 1}.png")  # 10.png behind 9.png
    return root


def load(root, options="size=8", **more):
    return data.load(f"folder:{root}({options})", root.parent / "data", **more)


def test_every_fifth_image_of_a_class_is_a_test_image_and_all_are_exact(folder):
    found = load(folder)
    assert found.spec == Spec((3, 8, 8), ("a", "b"))
    every = [picture(i).transpose(2, 0, 1) for i in range(20)]
    held_out = [4, 9, 14, 19]
    assert np.array_equal(found.test.numpy(), [every[i] for i in held_out])
    assert np.array_equal(found.train.numpy(), [every[i] for i in range(20) if i not in held_out])
    assert found.test_labels.tolist() == [0, 0, 1, 1]
    assert found.stratified and not found.fixed


def test_train_and_test_folders_are_the_split(folder, tmp_path):
    whole = tmp_path / "parted"
    for part in ("train", "test"):
        (whole / part).mkdir(parents=True)
        for name in "ab":
            os.symlink(folder / name, whole / part / name)
    found = load(whole)
    assert len(found.train) == len(found.test) == 20
    assert not found.stratified
    (whole / "val" / "a").mkdir(parents=True)
    with pytest.raises(ZooError, match="holds val beside train and test"):
        load(whole)


def test_the_hash_is_of_the_pixels_and_not_of_the_names(folder):
    before = load(folder).sha256
    (folder / "a").rename(folder / "aa")
    assert load(folder).sha256 == before
    Image.fromarray(picture(99)).save(folder / "b" / "3.png")
    assert load(folder).sha256 != before


def test_a_moved_folder_keeps_the_name_of_what_is_trained_on_it_once(folder):
    """A judge took 13 minutes again after its folder was renamed."""
    before = load(folder).label
    assert before == f"folder-{load(folder).sha256[:12]}"
    assert load(folder.rename(folder.parent / "elsewhere")).label == before
    moved = folder.parent / "elsewhere"
    others = {load(moved, f"size=8,{option}").label for option in ("flips=true", "blanks=true", "channels=1")}
    assert len(others | {before}) == 4  # what else a judge is trained by, or other pixels
    assert load(moved, "size=8,flips=true").label == f"folder-flips-{load(moved).sha256[:12]}"


def test_what_is_converted_is_told(folder, capsys):
    rgba = np.dstack([np.full((8, 8, 3), 200, np.uint8), np.zeros((8, 8), np.uint8)])
    rgba[:4, :, 3] = 255
    Image.fromarray(rgba).save(folder / "a" / "1.png")
    Image.fromarray(picture(5, 16, 24)).save(folder / "a" / "2.png")
    (folder / "a" / ".DS_Store").write_bytes(b"")
    (folder / "b" / "notes.txt").write_text("mine")
    found = load(folder)
    assert (found.train[0, :, :4] == 200).all()
    assert (found.train[0, :, 4:] == 0).all()
    said = capsys.readouterr().err
    for words in (f"1 of 20 images: {PAINTED}", f"1 of 20 images: {FITTED}", "1 hidden file,", "1 file that is no"):
        assert words in said
    grey = load(folder, "size=8,channels=1")
    assert grey.spec.image_shape == (1, 8, 8)
    assert f"19 of 20 images: {GREYED}" in capsys.readouterr().err


def test_orientation_palette_and_16_bits(folder):
    tall = picture(3, 8, 8)
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned a quarter clockwise
    Image.fromarray(tall).save(folder / "a" / "1.png", exif=exif)
    Image.fromarray(np.full((8, 8), 7, np.uint8)).convert("P").save(folder / "a" / "2.png")
    Image.fromarray(np.full((8, 8), 5 * 257, np.uint16)).save(folder / "a" / "3.png")
    found = load(folder)
    assert np.array_equal(found.train[0].numpy(), np.rot90(tall, -1).transpose(2, 0, 1))
    assert (found.train[1] == 7).all()
    assert (found.train[2] == 5).all()


def test_a_larger_image_is_covered_and_its_middle_kept():
    wide = np.zeros((8, 24), np.uint8)
    wide[:, 8:16] = 255
    assert (fitted(wide, (8, 8)) == 255).all()
    half = fitted(np.kron(np.arange(64, dtype=np.uint8).reshape(8, 8) * 4, np.ones((2, 2), np.uint8)), (8, 8))
    assert half.shape == (8, 8)
    assert abs(half.astype(int) - np.arange(64).reshape(8, 8) * 4).max() <= 6


def one_class(root):
    for file in (root / "b").iterdir():
        file.unlink()
    (root / "b").rmdir()


def spoil(name):
    def act(root):
        (root / "a" / name).write_bytes(b"no image")

    return act


def deep_colours(root):
    Image.fromarray(np.full((8, 8), 300, np.uint16)).save(root / "a" / "1.png")


BAD = {
    "one class": (one_class, "holds one class, a: a data set needs at least two"),
    "unreadable": (spoil("1.png"), r"1\.png is no PNG"),
    "another kind": (spoil("1.gif"), r"1\.gif is an image of a kind that is not read"),
    "16 bits": (deep_colours, r"1\.png holds 16-bit values between"),
    "empty class": (lambda root: (root / "c").mkdir(), r"/c holds no PNG, JPEG, WebP or TIFF"),
    "few": (lambda root: [(root / "b" / f"{i}.png").unlink() for i in range(1, 8)], r"too few images of class b \(3\)"),
    "loop": (lambda root: os.symlink(root, root / "c"), "is a link to a folder above it, a circle"),
    "self": (lambda root: os.symlink(root / "c", root / "c"), "is a link that leads nowhere, or in a circle"),
    "beside": (lambda root: (root / "x.png").write_bytes(b""), r"x\.png is an image beside the class folders"),
    "below": (lambda root: (root / "a" / "more").mkdir(), "is a folder within class a"),
    "no test": (lambda root: (root / "a").rename(root / "train"), "has train/ without test/"),
    "encoding": (lambda root: os.mkdir(os.fsencode(root) + b"/\xff"), "has a name that is not UTF-8"),
    "twins": (lambda root: [(root / n).mkdir() for n in ("\u00e9", "e\u0301")], "two folders that are both called"),
}


@pytest.mark.parametrize(("act", "message"), BAD.values(), ids=BAD)
def test_bad_folders_are_refused_by_name(folder, act, message):
    act(folder)
    with pytest.raises(ZooError, match=message):
        load(folder)


def test_unicode_names_are_classes(folder):
    (folder / "a").rename(folder / "猫")
    assert load(folder).spec.classes == ("b", "猫")
    assert sets.short(f"folder:{folder.parent}/猫").startswith("folder-")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mnsit", "Did you mean 'mnist'"),
        ("mnist(sise=14)", "Did you mean 'size'"),
        ("mnist(size=13)", "size=13 is none of 28, 14, 7"),
        ("mnist(size=x)", "size is a whole number"),
        ("mnist(blanks=maybe)", "blanks is true or false"),
        ("mnist(size=7,size=7)", "gives size twice"),
        ("mnist:here", "write mnist"),
        ("folder", "write folder:PATH"),
        ("folder:", "which folder"),
        ("folder:x(channels=2)", "neither 1 .grey. nor 3"),
        ("folder:x(size=2)", "a side has 4 to 1024"),
        ("folder:x(height=8)", "give both height and width"),
        ("mnist(14)", "is not a name"),
        ("mnist(size=9.5)", r"mnist\(option=value, ..\), where size is a whole number, blanks is true or false$"),
        ("digits(blanks=-1)", r"write digits, or digits\(option=value, ..\), where blanks is true or false$"),
        ("folder(size=9.5)", r"write folder:PATH, or folder:PATH\(option=value, ..\), where .*size is a whole number"),
    ],
)
def test_names_that_mean_nothing_say_why(name, message):
    with pytest.raises(ZooError, match=message):
        sets.canonical(name)


def test_one_spelling_for_one_data_set(folder):
    assert sets.canonical("mnist(size=28,blanks=true)") == "mnist"
    assert sets.canonical("mnist(blanks=false,size=14)") == "mnist(size=14,blanks=false)"
    assert sets.canonical("folder:a (b)/") == "folder:a (b)"
    assert sets.canonical("folder:x(channels=1)(size=16)") == "folder:x(channels=1)(size=16)"  # the first is a path's
    assert sets.source("folder:x(height=16,width=24)").shape == (16, 24)
    with pytest.raises(ZooError, match="nowhere cannot be read"):
        data.load("folder:/nowhere", folder)


def test_blanks_are_an_option(digits, tmp_path):
    plain = data.load("digits(blanks=false)", tmp_path)
    assert (plain.spec.num_classes, digits.spec.num_classes) == (10, 12)
    assert plain.augmented[0].equal(plain.train)
    assert plain.sha256 == digits.sha256
    assert digits.spec.names[10:] == ("black", "white")


def test_a_smaller_mnist_is_made_of_the_means_of_blocks():
    images = np.random.default_rng(0).integers(0, 256, (3, 28, 28)).astype(np.uint8)
    halved = smaller(images, 14)
    assert halved[1, 2, 3] == np.round(images[1, 4:6, 6:8].mean())
    assert smaller(images, 28) is images


def test_a_record_of_cifar_is_a_label_and_three_planes():
    image = picture(1, 32, 32)
    images, labels = records(bytes([7]) + image.transpose(2, 0, 1).tobytes())
    assert np.array_equal(images[0], image)
    assert labels.tolist() == [7]
    with pytest.raises(ValueError, match="reshape"):
        records(bytes(3072))


def test_arrays_that_break_their_promise_are_refused():
    spec, images, labels = Spec((1, 4, 4), ("a", "b")), np.zeros((6, 4, 4), np.uint8), np.arange(6) % 2
    data.check("x", spec, Arrays(images, labels, images, labels))
    for bad, message in (
        (Arrays(images[:, :2], labels, images, labels), "training images are uint8"),
        (Arrays(images, labels, images.astype(float), labels), "test images are float64"),
        (Arrays(images, labels + 1, images, labels), "training labels are 1 to 2"),
        (Arrays(images, labels[:5], images, labels), "training labels are int64"),
        (Arrays(images[:3], labels[:3], images, labels), r"too few training images of class b \(1\)"),
        (Arrays(images, labels, images[:1], labels[:1]), r"too few test images of class b \(0\)"),
    ):
        with pytest.raises(ZooError, match=message):
            data.check("x", spec, bad)


def test_labels_follow_the_names_as_they_are_spelled_in_nfc(tmp_path):
    """A copy from macOS has decomposed names, which sort elsewhere: e and an accent before z, the one letter behind."""
    for part, form in (("train", "NFC"), ("test", "NFD")):
        for label, name in enumerate(("zebra", "\u00e9p\u00e9e")):
            place = tmp_path / "own" / part / unicodedata.normalize(form, name)
            place.mkdir(parents=True)
            for i in range(5):
                Image.fromarray(np.full((8, 8, 3), 100 * label + i, np.uint8)).save(place / f"{i}.png")
    found = load(tmp_path / "own")
    for images, labels in ((found.train, found.train_labels), (found.test, found.test_labels)):
        accented = images.amax((1, 2, 3)) >= 100
        assert {found.spec.names[label] for label in labels[accented]} == {"\u00e9p\u00e9e"}
        assert {found.spec.names[label] for label in labels[~accented]} == {"zebra"}


@pytest.mark.parametrize(("side", "size"), [(29, 100), (500, 72), (49, 64), (49, 128), (31, 100)])
def test_rounding_takes_no_pixel_outside_the_picture(side, size):
    assert fitted(np.full((side, side, 3), 7, np.uint8), (size, size)).tolist() == np.full((size, size, 3), 7).tolist()


def test_the_home_of_nobody_is_refused(tmp_path):
    with pytest.raises(ZooError, match="there is no such user"):
        data.load("folder:~nosuchuserhere/pictures", tmp_path)
