"""A head that is gone is told in a sentence, whatever a call of Ray's does then; errors of files stay what they are."""

import socket
from types import SimpleNamespace

import pytest

from zoo.base.errors import ZooError
from zoo.grid import head


class RayError(Exception): ...


def ray(address: str) -> SimpleNamespace:
    context = SimpleNamespace(gcs_address=address)
    return SimpleNamespace(exceptions=SimpleNamespace(RayError=RayError), get_runtime_context=lambda: context)


def test_a_head_that_takes_no_connections_is_waited_for_and_then_given_up(monkeypatch):
    listener = socket.create_server(("127.0.0.1", 0))
    found = head.Head(ray(f"127.0.0.1:{listener.getsockname()[1]}"))
    assert found.answers()
    listener.close()
    assert not found.answers() and not found.gone
    monkeypatch.setattr(head, "SECONDS", -1.0)
    with pytest.raises(ZooError, match=r"nobody has answered at 127\.0\.0\.1:.* start the cluster again"):
        found.answers()
    assert found.gone


@pytest.mark.parametrize("error", [RayError("the actor died\nmore"), OSError("Broken pipe")])
def test_a_lost_connection_is_a_sentence(error):
    with pytest.raises(ZooError, match=r"does not answer any more \((the actor died|Broken pipe)\)"), head.Head(
        ray("127.0.0.1:1")
    ).asked():  # fmt: skip
        raise error


def test_errors_of_files_are_no_lost_connection(tmp_path):
    with pytest.raises(FileNotFoundError), head.Head(ray("127.0.0.1:1")).asked():
        (tmp_path / "missing").read_bytes()
