import base64
import io
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from exvideo_infer import probe
from exvideo_infer.jobs.limits import Limits
from exvideo_infer.jobs.queue import JobQueue
from PIL import Image

from ..jobs.sketch_maker import FRAMES, SketchMaker

testclient = pytest.importorskip("fastapi.testclient")  # of the extra `server`

from exvideo_infer.server.routes import create_app  # noqa: E402 - after the skip

TOKEN = "a token that is hard to guess"
VIDEOS = "/v1/videos"
Client = Any


@pytest.fixture
def make_client(tmp_path: Path) -> Iterator[Callable[..., Client]]:
    queues = []

    def make(token: str | None = None, seconds_a_step: float = 0.0, **limits: int) -> Client:
        queues.append(JobQueue(SketchMaker(seconds_a_step), tmp_path, Limits(**limits)))
        app = create_app(queues[-1], token)
        return testclient.TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False)

    yield make
    for queue in queues:
        queue.close()


def message(answer: Any) -> str:
    error = answer.json()["error"]
    assert error["code"] == answer.status_code
    return str(error["message"])


def finished(client: Client, name: str) -> dict[str, Any]:
    for _ in range(300):
        status: dict[str, Any] = client.get(f"{VIDEOS}/{name}").json()
        if status["status"] not in ("queued", "running"):
            return status
        time.sleep(0.05)
    raise AssertionError(status)


def test_a_clip_from_order_to_deletion(make_client: Callable[..., Client], tmp_path: Path) -> None:
    client = make_client()
    ordered = client.post(VIDEOS, json={"prompt": "a red circle", "seed": 7})
    assert ordered.status_code in (200, 202)
    name = ordered.json()["id"]
    status = finished(client, name)
    assert (status["status"], status["step"], status["settings"]["seed"]) == ("completed", FRAMES, 7)
    content = client.get(status["content"])
    assert content.headers["content-type"] == "video/mp4"
    (tmp_path / "fetched.mp4").write_bytes(content.content)
    assert probe(tmp_path / "fetched.mp4").num_frames == FRAMES
    assert [one["id"] for one in client.get(VIDEOS).json()["data"]] == [name]
    assert client.post(VIDEOS, json={"prompt": "a red circle", "seed": 7}).status_code == 200
    assert client.delete(f"{VIDEOS}/{name}").json() == {"id": name, "deleted": True}
    assert client.get(f"{VIDEOS}/{name}").status_code == 404
    assert client.get(f"{VIDEOS}/{name}/content").status_code == 404
    assert not (tmp_path / f"{name}.mp4").exists()


def test_a_picture_is_sent_in_the_order(make_client: Callable[..., Client], tmp_path: Path) -> None:
    client = make_client()
    file = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(file, "PNG")
    for prefix in ("", "data:image/png;base64,"):
        ordered = client.post(VIDEOS, json={"image": prefix + base64.b64encode(file.getvalue()).decode()})
        assert finished(client, ordered.json()["id"])["status"] == "completed"
    no_picture = base64.b64encode(b"text").decode()
    for wrong, sentence in {"!": "no base64", no_picture: "image cannot be read as an image"}.items():
        answer = client.post(VIDEOS, json={"image": wrong})
        assert answer.status_code == 422
        assert sentence in message(answer)
        assert str(tmp_path) not in message(answer)
    assert not list((tmp_path / ".uploads").iterdir())


def test_a_clip_is_cancelled_in_mid_making(make_client: Callable[..., Client]) -> None:
    client = make_client(seconds_a_step=0.1)
    name = client.post(VIDEOS, json={"prompt": "a", "steps": 100}).json()["id"]
    answer = client.get(f"{VIDEOS}/{name}/content")
    assert answer.status_code == 409
    assert "wait until it is completed" in message(answer)
    assert client.post(f"{VIDEOS}/{name}/cancel").status_code == 200
    assert finished(client, name)["status"] == "cancelled"
    assert "cancelled already" in message(client.post(f"{VIDEOS}/{name}/cancel"))


def test_a_flood_meets_a_bounded_queue(make_client: Callable[..., Client]) -> None:
    client = make_client(seconds_a_step=0.2, queue=5)
    answers = [client.post(VIDEOS, json={"prompt": "a", "seed": seed}) for seed in range(200)]
    taken = [answer for answer in answers if answer.status_code == 202]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(taken) + len(refused) == 200
    assert 6 <= len(taken) < 50  # one or some were made meanwhile
    assert all("5 clips wait already, and no more may" in message(answer) for answer in refused)
    assert int(refused[0].headers["retry-after"]) > 0
    waiting = [one for one in client.get(VIDEOS).json()["data"] if one["status"] == "queued"]
    assert len(waiting) <= 5


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("{", "The body is no JSON"),
        ("[" * 100000, "The body is no JSON"),
        ("[]", "is no object"),
        ("{}", "Neither prompt nor image"),
        ('{"prompt": "a", "fps": NaN}', "fps is nan: give a number from 1 to 1000"),
        ('{"prompt": "a", "model": "x"}', "The key 'model' is unknown"),
        ('{"prompt": "a", "image": 3}', "image is 3: give text"),
        ('{"prompt": "a", "num_frames": 99}', "num_frames is 99, and this server makes clips of up to 40"),
        ('{"prompt": "a", "steps": 99}', "steps is 99, and this server"),
        ('{"prompt": "a", "height": 4096, "width": 4096}', "height x width is 16777216, and this server"),
    ],
)
def test_bad_orders_get_one_sentence(make_client: Callable[..., Client], body: str, sentence: str) -> None:
    client = make_client(frames=40, steps=40)
    answer = client.post(VIDEOS, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert sentence in message(answer)


def test_unknown_names_paths_verbs_types_and_sizes(make_client: Callable[..., Client]) -> None:
    client = make_client(body_bytes=100)
    for name in ("0" * 20, "..%2Fsecret", "x"):
        assert client.get(f"{VIDEOS}/{name}").status_code == 404
    assert message(client.get(f"{VIDEOS}/absent")) == "There is no video 'absent': list them by GET /v1/videos."
    assert message(client.get("/v2")) == "There is no /v2: see /v1/videos."
    assert client.put(VIDEOS).status_code == 405
    assert "does not take PUT" in message(client.put(VIDEOS))
    answer = client.post(VIDEOS, content='{"prompt": "a"}', headers={"Content-Type": "text/plain"})
    assert answer.status_code == 415  # what a page of another site can send without being asked
    assert client.post(VIDEOS, json={"prompt": "a" * 200}).status_code == 413


def test_a_token_is_asked_for(make_client: Callable[..., Client]) -> None:
    client = make_client(token=TOKEN)
    for given in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}):
        for answer in (client.get(VIDEOS, headers=given), client.post(VIDEOS, json={"prompt": "a"}, headers=given)):
            assert answer.status_code == 401
            assert "token is missing or wrong" in message(answer)
    assert client.get(VIDEOS, headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200


def test_without_a_token_the_server_answers_to_this_machine_s_names_alone(make_client: Callable[..., Client]) -> None:
    client = make_client()
    assert client.get(VIDEOS, headers={"Host": "localhost:8000"}).status_code == 200
    assert client.get(VIDEOS, headers={"Host": "[::1]:8000"}).status_code == 200
    assert client.get(VIDEOS, headers={"Host": "evil.example"}).status_code == 403


@pytest.mark.parametrize("name", ["continues", "video", "name"])
def test_a_request_cannot_name_a_file_of_the_server(
    make_client: Callable[..., Client], tmp_path: Path, name: str
) -> None:
    answer = make_client().post(VIDEOS, json={"prompt": "a", name: str(tmp_path / "private.mp4")})
    assert answer.status_code == 422
    assert f"{name} names a file, which a request cannot" in message(answer)


def test_a_request_has_its_way(make_client: Callable[..., Client]) -> None:
    assert make_client().post(VIDEOS, json={"prompt": "a", "beyond": "chain", "window_length": 4}).status_code == 202
    refused = make_client().post(VIDEOS, json={"prompt": "a", "window_length": 4})
    assert "window_length is 4, a setting of beyond windows or free-noise or chain" in message(refused)
