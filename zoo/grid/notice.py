"""What is said, once and in few lines, where a grid takes another data set than the one that was hoped for."""

import textwrap
from pathlib import Path

from zoo.base.errors import ZooError
from zoo.base.files import write_atomic
from zoo.base.progress import say
from zoo.grid.executor import LOG

WIDTH = 96  # columns of a line


def unavailable(name: str, whole: bool) -> str:
    """Three lines for a data set that is neither here nor on a server; whole: all of the grid is on `digits`."""
    what = "All that follows is" if whole else "The part that was to be about it is"
    return (
        f"{name} is not available, neither in the data folder nor from a server.\n"
        f"{what} about `digits`, scikit-learn's 8 x 8 images, instead.\n"
        "Connect to the network or give --mirror PLACE; --verbose shows the cause."
    )


def cause(error: ZooError, data_dir: Path, mirror: str | None) -> str:
    """Why it is not available, without the places of this machine: a run's folder may be passed on."""
    text = str(error).replace(str(data_dir), "DATA_DIR")
    return text.replace(mirror, "MIRROR") if mirror else text


def tell(notice: str, why: str | None, folder: Path, verbose: bool) -> None:
    """Say the notice, one sentence a line; its cause goes into the log of the folder, and is said if `verbose`."""
    lines = notice.splitlines()
    if why:
        write_atomic(folder / LOG, f"{notice}\n{why}\n".encode())
        lines += textwrap.wrap(why, WIDTH) if verbose else []
    say("\n".join(["", *(f"! {line}" for line in lines), ""]))
