"""An exported folder sent to the hub, and what would be sent."""

from pathlib import Path

from zoo.base.counts import counted
from zoo.base.errors import ZooError
from zoo.base.limits import size


def check_repo(repo: str) -> None:
    """Raise ZooError for a name that no repository of the hub can have."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils._validators import validate_repo_id

    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise ZooError(f"--push {repo!r}: {str(error).splitlines()[0]} Give USER/NAME") from None
    if "/" not in repo:
        raise ZooError(f"--push {repo!r}: give USER/NAME, the owner's name first")


def listing(folder: Path) -> list[str]:
    """A line for each file that would be sent, with its size."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = [f"{size(path.stat().st_size):>10}  {path.relative_to(folder)}" for path in files]
    return [*lines, f"{size(sum(path.stat().st_size for path in files)):>10}  in {counted(len(files), 'file')}"]


def push(folder: Path, repo: str, private: bool) -> str:
    """Send the folder to a model repository, made if it is not there; returns its address.

    Raises ZooError, with the hub's answer, where it is refused or not reached.
    """
    from huggingface_hub import HfApi

    api = HfApi()
    try:
        api.create_repo(repo, repo_type="model", private=private, exist_ok=True)
        api.upload_folder(repo_id=repo, repo_type="model", folder_path=folder, commit_message="Export of a trained run")
    except Exception as error:  # what a lost connection raises depends on the library that the hub's client uses
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ZooError(
            f"{repo} was not pushed: {reason}. Check the network, or log in with `hf auth login` by a token that may "
            f"write there, and send the folder with `hf upload {repo} {folder}`"
        ) from None
    return f"https://huggingface.co/{repo}"
