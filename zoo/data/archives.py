"""The published archives of MNIST and Fashion-MNIST: found, fetched once, and verified by SHA-256.

They are kept as published, gzipped, in DATA_DIR/NAME/raw, the layout of torchvision. A mirror is a folder, or a file://
or http(s):// address, that holds the four files. Nothing here imports torch until a download is needed.
"""

import contextlib
import socket
import tempfile
from pathlib import Path

from zoo.base.errors import ZooError
from zoo.base.files import sha256, write_atomic

TIMEOUT = 20.0  # seconds without a byte before a server counts as unreachable

SHA256 = {
    "mnist": {
        "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    },
    "fashion": {
        "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    },
}
TORCHVISION = {"mnist": "MNIST", "fashion": "FashionMNIST"}  # its classes know the servers


def raw_folder(name: str, data_dir: Path) -> Path:
    """Where a data set's archives are kept."""
    return data_dir / TORCHVISION[name] / "raw"


def present(name: str, data_dir: Path) -> bool:
    """Whether all archives of a data set lie in the data folder (unverified)."""
    return all((raw_folder(name, data_dir) / file).is_file() for file in SHA256[name])


def ensure(name: str, data_dir: Path, mirror: str | None = None) -> Path:
    """The folder with the four verified archives, fetched first if need be.

    The fetch is locked, so that two processes download once. Raises ZooError with the fix if a file is damaged or
    cannot be had.
    """
    from filelock import FileLock  # loads asyncio, which `run_all.py --list` can do without

    folder = raw_folder(name, data_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):
            for file, expected in SHA256[name].items():
                if not (folder / file).is_file():
                    _fetch(name, folder / file, mirror)
                verify(folder / file, expected)
    except OSError as error:
        raise ZooError(f"cannot use the data folder {data_dir}: {error}. Choose another with --data-dir") from None
    return folder


def verify(path: Path, expected: str) -> None:
    """Raise ZooError unless the file's SHA-256 is the expected one."""
    found = sha256(path)
    if found != expected:
        raise ZooError(
            f"{path} is damaged or not the published file: SHA-256 {found}, expected {expected}. "
            "Delete it and run again to fetch it anew, or give another --mirror"
        )


def _fetch(name: str, path: Path, mirror: str | None) -> None:
    try:
        data = _from_mirror(mirror, path.name) if mirror else _from_torchvision(name, path.name)
    except (OSError, RuntimeError, ValueError) as error:
        source = f"the mirror {mirror}" if mirror else "its servers"
        raise ZooError(
            f"data set {name!r}: {path.name} could not be had from {source} ({error}). Connect to the network, put the "
            f"four published archives into {path.parent}, give --mirror FOLDER_OR_ADDRESS, or use --dataset digits"
        ) from None
    write_atomic(path, data)


def _from_mirror(mirror: str, file: str) -> bytes:
    if "://" not in mirror:
        return (Path(mirror).expanduser() / file).read_bytes()
    if not mirror.startswith(("http://", "https://", "file://")):
        raise ValueError("a mirror is a folder, file://, http:// or https://")
    import urllib.request

    with urllib.request.urlopen(f"{mirror.rstrip('/')}/{file}", timeout=TIMEOUT) as answer:  # noqa: S310 (checked above)
        content: bytes = answer.read()
        return content


def _from_torchvision(name: str, file: str) -> bytes:
    from torchvision import datasets

    source = getattr(datasets, TORCHVISION[name])
    md5 = dict(source.resources)[file]
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)  # torchvision itself would wait for ever
    try:
        with tempfile.TemporaryDirectory() as folder:
            errors = []
            for server in source.mirrors:
                try:
                    with contextlib.redirect_stdout(None):
                        datasets.utils.download_url(f"{server}{file}", folder, filename=file, md5=md5)
                    return (Path(folder) / file).read_bytes()
                except (OSError, RuntimeError) as error:
                    errors.append(f"{server}: {error}")
            raise OSError("; ".join(errors))
    finally:
        socket.setdefaulttimeout(before)
