"""Data sets: archives are verified before use, blank images join, pixels survive standardising."""

import functools
import gzip
import hashlib
import http.server
import socket
import struct
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from zoo.base.errors import ZooError
from zoo.data import archives
from zoo.data import dataset as data

FILES = tuple(archives.SHA256["mnist"])


def idx(array: np.ndarray) -> bytes:
    """The published format, typed from its definition (yann.lecun.com/exdb/mnist)."""
    return gzip.compress(struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes(), mtime=0)


@pytest.fixture
def mirror(tmp_path, monkeypatch) -> Path:
    """A folder of four small archives in MNIST's format, whose hashes are the ones expected."""
    folder, rng = tmp_path / "mirror", np.random.default_rng(0)
    folder.mkdir()
    arrays = [
        rng.integers(0, 256, (120, 28, 28)),
        np.arange(120) % 10,
        rng.integers(0, 256, (20, 28, 28)),
        np.arange(20) % 10,
    ]
    for file, array in zip(FILES, arrays, strict=True):
        (folder / file).write_bytes(idx(array.astype(np.uint8)))
    hashes = {file: hashlib.sha256((folder / file).read_bytes()).hexdigest() for file in FILES}
    monkeypatch.setitem(archives.SHA256, "mnist", hashes)
    return folder


def test_archives_are_read_exactly(mirror, tmp_path):
    loaded = data.load("mnist", tmp_path / "data", str(mirror))
    expected = np.random.default_rng(0).integers(0, 256, (120, 28, 28)).astype(np.uint8)
    assert np.array_equal(loaded.train[:, 0].numpy(), expected)
    assert loaded.train_labels.tolist() == [i % 10 for i in range(120)]
    assert loaded.image_shape == (1, 28, 28)
    again = data.load("mnist", tmp_path / "data", str(tmp_path / "gone"))  # no mirror is needed any more
    assert again.sha256 == loaded.sha256


def test_a_mirror_may_be_an_address(mirror, tmp_path):
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=mirror)
    handler.log_message = lambda *_: None
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        by_http = data.load("mnist", tmp_path / "a", f"http://127.0.0.1:{server.server_port}/")
        server.shutdown()
    assert by_http.sha256 == data.load("mnist", tmp_path / "b", mirror.as_uri()).sha256


def test_of_two_fetches_at_once_one_fetches(mirror, tmp_path):
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_) -> None:
            asked.append(self.path)

    found = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=mirror)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/"
        fetch = lambda: found.append(archives.ensure("mnist", tmp_path / "data", address))  # noqa: E731
        both = [threading.Thread(target=fetch) for _ in range(4)]
        for thread in both:
            thread.start()
        for thread in both:
            thread.join()
        server.shutdown()
    assert len(found) == 4
    assert sorted(asked) == sorted(f"/{file}" for file in FILES)


@pytest.mark.parametrize("damage", ["truncated", "html", "noise"])
def test_a_damaged_archive_is_named_with_both_hashes(mirror, tmp_path, damage):
    file = mirror / FILES[2]
    good = file.read_bytes()
    noise = idx(np.zeros((20, 28, 28), np.uint8))  # a valid file of the right form, but another
    file.write_bytes({"truncated": good[:-9], "html": b"<html>sorry</html>", "noise": noise}[damage])
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    with pytest.raises(
        ZooError, match=f"{FILES[2]} is damaged.*{found}, expected {archives.SHA256['mnist'][FILES[2]]}"
    ):
        data.load("mnist", tmp_path / "data", str(mirror))


@pytest.mark.parametrize("address", ["ftp://host/x", "gopher://x", "/nowhere/at/all", "http://127.0.0.1:9/"])
def test_what_cannot_be_had_is_an_error_that_names_the_fix(address, tmp_path):
    with pytest.raises(ZooError, match=r"could not be had.*--mirror.*--dataset digits"):
        data.load("mnist", tmp_path, address)


def test_an_unknown_data_set_names_the_nearest(tmp_path):
    with pytest.raises(ZooError, match="Did you mean 'digits'"):
        data.load("digit", tmp_path)


def test_digits_are_scikit_learn_s(digits):
    bunch = load_digits()
    ours = torch.cat([digits.train, digits.test]).flatten(1).double()
    theirs = torch.from_numpy(bunch.data) * (255 / 16)
    assert (ours.sum() - theirs.sum()).abs() < 0.5 * ours.numel()  # rounding alone
    assert len(ours) == len(theirs)
    for label in range(10):  # every class gives a fifth to the test set
        total = int((bunch.target == label).sum())
        assert int((digits.test_labels == label).sum()) == total // 5


def test_blank_images_join_as_classes_10_and_11(digits):
    images, labels = digits.augmented
    for label, value in ((10, 0), (11, 255)):
        chosen = images[labels == label]
        assert len(chosen) == round(len(digits.train) / 60)
        assert (chosen == value).all()
    assert labels.unique().tolist() == list(range(12))


def test_standardised_pixels_have_mean_0_and_deviation_1_and_come_back(digits):
    images, _ = digits.augmented
    x = data.standardise(images, digits.standard)
    assert abs(x.double().mean()) < 1e-5
    assert x.double().std(correction=0) == pytest.approx(1, abs=1e-5)
    every = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    assert data.to_uint8(data.standardise(every, digits.standard), digits.standard).equal(every)


def test_affine_maps_are_small_and_reproducible():
    spot = torch.zeros(200, 1, 28, 28)
    spot[:, :, 13:15, 13:15] = 1.0
    moved = data.affine(spot, torch.Generator().manual_seed(1))
    assert moved.equal(data.affine(spot, torch.Generator().manual_seed(1)))
    mass = moved.sum(dim=(1, 2, 3))
    place = torch.arange(28.0) - 13.5
    for axis in (2, 3):
        shift = (moved.sum(dim=5 - axis).squeeze(1) * place).sum(1) / mass
        assert shift.abs().max() < 2 * 1.1 * 1.3  # at most 2 pixels, in the frame that is scaled and sheared
        assert shift.std() > 0.5


ANSWERS = {  # what a broken server sends
    "cut": b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + b"x" * 500,
    "a torn chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1000\r\nabc",
    "no HTTP": b"hello there\r\n\r\n",
    "a login page": b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n<html>login..",
    "nothing": b"",
    "forbidden": b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
    "busy": b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
    "a circle": b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
    "elsewhere": b"HTTP/1.1 302 Found\r\nLocation: http://[bad\r\nContent-Length: 0\r\n\r\n",
}


@pytest.fixture(params=ANSWERS.values(), ids=ANSWERS.keys())
def broken(request):
    """The address of a server that fails in one way."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                with client:
                    client.recv(4096)
                    client.sendall(request.param)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"
        server.shutdown(socket.SHUT_RDWR)


def test_however_a_server_fails_nothing_is_kept_and_the_next_one_serves(broken, mirror, tmp_path, monkeypatch):
    with pytest.raises(ZooError, match=r"could not be had from the mirror.*--dataset digits") as error:
        archives.ensure("mnist", tmp_path / "data", broken)
    assert "\n" not in str(error.value)
    assert [path.name for path in (tmp_path / "data" / "MNIST" / "raw").iterdir()] == [".lock"]
    monkeypatch.setattr(archives, "_servers", lambda name: [broken, mirror.as_uri()])
    folder = archives.ensure("mnist", tmp_path / "data")
    assert (folder / FILES[0]).read_bytes() == (mirror / FILES[0]).read_bytes()


@pytest.mark.parametrize("address", ["http://127.0.0.1:port/", "http://a b/", "https://[::1/", "http://x\x7f/"])
def test_an_address_that_is_none_is_the_same_event(address, tmp_path):
    with pytest.raises(ZooError, match="could not be had"):
        archives.ensure("mnist", tmp_path, address)


def test_a_proxy_is_taken_from_the_usual_variable(mirror, tmp_path, monkeypatch):
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=mirror)
    asked = []

    class Proxy(http.server.SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.path = "/" + self.path.rpartition("/")[2]
            super().do_GET()

        def log_message(self, *_) -> None:
            pass

    handler = functools.partial(Proxy, directory=mirror)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("no_proxy", "")
        archives.ensure("mnist", tmp_path, "http://mirror.example/")
        server.shutdown()
    assert asked == [f"http://mirror.example/{file}" for file in FILES]
