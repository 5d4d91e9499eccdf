"""The published archives of data sets: found, fetched once, and verified by SHA-256.

They are kept as published in DATA_DIR/NAME/raw, MNIST's layout in torchvision. A mirror is a folder, or a file:// or
http(s):// address, that holds the files. Nothing here imports torch until a download is needed.
"""

import hashlib
import time
from pathlib import Path

from zoo.base.errors import ZooError
from zoo.base.files import CHUNK, sha256, write_atomic
from zoo.base.lock import exclusive

TIMEOUT = 20.0  # seconds without a byte before a server counts as unreachable
SLOWEST = 900.0  # seconds that one file may take
LARGEST = 1 << 28  # bytes of an archive; the largest, CIFAR-10, has 170 million
AGENT = "objective-zoo"  # some servers refuse Python's own name
REASON = 200  # characters of a server's failure that are told

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
    "cifar10": {
        "cifar-10-binary.tar.gz": "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    },
}
TORCHVISION = {"mnist": "MNIST", "fashion": "FashionMNIST", "cifar10": "CIFAR10"}  # its classes know the servers


def raw_folder(name: str, data_dir: Path) -> Path:
    """Where a data set's archives are kept."""
    return data_dir / TORCHVISION[name] / "raw"


def present(name: str, data_dir: Path) -> bool:
    """Whether all archives of a data set lie in the data folder (unverified)."""
    return all((raw_folder(name, data_dir) / file).is_file() for file in SHA256[name])


def ensure(name: str, data_dir: Path, mirror: str | None = None) -> Path:
    """The folder with the verified archives, fetched first if need be.

    The fetch is locked, so that two processes download once; a folder that has them all need not be writable. Raises
    ZooError with the fix if a file is damaged or not available.
    """
    folder = raw_folder(name, data_dir)
    try:
        if not present(name, data_dir):
            folder.mkdir(parents=True, exist_ok=True)
            with exclusive(folder / ".lock"):
                for file, expected in SHA256[name].items():
                    if not (folder / file).is_file():
                        write_atomic(folder / file, _fetch(name, file, expected, folder, mirror))
        for file, expected in SHA256[name].items():
            verify(folder / file, expected)
    except OSError as error:
        raise ZooError(f"cannot use the data folder {data_dir}: {error}. Choose another with --data-dir") from None
    return folder


def verify(path: Path, expected: str) -> None:
    """Raise ZooError unless the file's SHA-256 is the expected one."""
    found = sha256(path)
    if found != expected:
        raise ZooError(f"{_damaged(path, found, expected)}. Delete it and run again, which fetches it again")


def _damaged(file: Path | str, found: str, expected: str) -> str:
    return f"{file} is damaged or not the published file: SHA-256 {found}, expected {expected}"


def _fetch(name: str, file: str, expected: str, folder: Path, mirror: str | None) -> bytes:
    """A file's verified bytes from the mirror, or from the first of the known servers that has them."""
    failed = []
    for server in [mirror] if mirror else _servers(name):
        try:
            data = _read(server, file)
            found = hashlib.sha256(data).hexdigest()
            if found == expected:
                return data
            failed.append(f"{server}: {_damaged(file, found, expected)}")
        except Exception as error:  # whatever a broken server or address leads to is one event: it does not have it
            failed.append(f"{server}: {_reason(error)}")
    source = f"the mirror {mirror}" if mirror else "its servers"
    raise ZooError(
        f"data set {name!r}: {file} could not be had from {source} ({'; '.join(failed)}). Connect to the network, put "
        f"what is published ({', '.join(SHA256[name])}) into {folder}, give --mirror FOLDER_OR_ADDRESS, or use "
        "--dataset digits"
    )


def _reason(error: Exception) -> str:
    """An error in one printable line."""
    text = " ".join("".join(c if c.isprintable() else " " for c in str(error)).split())
    return f"{type(error).__name__}: {text[:REASON]}" if text else type(error).__name__


def _servers(name: str) -> list[str]:
    from torchvision import datasets

    known = getattr(datasets, TORCHVISION[name])
    return list(known.mirrors) if hasattr(known, "mirrors") else [known.url.rpartition("/")[0]]


def _read(server: str, file: str) -> bytes:
    """A file of a folder or an address, whole. The usual variables (https_proxy, no_proxy) name a proxy."""
    if "://" not in server:
        return (Path(server).expanduser() / file).read_bytes()
    if not server.startswith(("http://", "https://", "file://")):
        raise ValueError("a mirror is a folder, file://, http:// or https://")
    import urllib.request

    data, until = bytearray(), time.monotonic() + SLOWEST
    asked = urllib.request.Request(f"{server.rstrip('/')}/{file}", headers={"User-Agent": AGENT})  # noqa: S310
    with urllib.request.build_opener().open(asked, timeout=TIMEOUT) as answer:
        while part := answer.read1(CHUNK) if hasattr(answer, "read1") else answer.read(CHUNK):
            data += part
            if len(data) > LARGEST:
                raise ValueError(f"it sends more than the {LARGEST:,} bytes that the largest archive may have")
            if time.monotonic() > until:
                raise TimeoutError(f"not whole after {SLOWEST:.0f} s")
        wanted = answer.headers.get("Content-Length")
    if wanted is not None and len(data) != int(wanted):
        raise ConnectionError(f"it promised {int(wanted):,} bytes and sent {len(data):,}")
    return bytes(data)
