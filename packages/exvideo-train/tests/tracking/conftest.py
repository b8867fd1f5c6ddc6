"""A run, an empty database of MLflow's, and servers that answer or hang."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient

from .runs import Run, Server


@pytest.fixture(scope="session")
def blank_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database of MLflow's: making one takes seconds, copying it none."""
    path = tmp_path_factory.mktemp("mlflow") / "blank.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def run(tmp_path: Path, blank_store: Path) -> Run:
    return Run(tmp_path, blank_store)


@pytest.fixture
def server(tmp_path: Path, blank_store: Path) -> Iterator[Server]:
    server = Server(tmp_path, blank_store)
    yield server
    server.kill()


@pytest.fixture
def hanging_uri() -> Iterator[str]:
    """A server that takes every connection and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
