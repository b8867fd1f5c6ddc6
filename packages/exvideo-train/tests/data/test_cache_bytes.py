from collections.abc import Callable
from pathlib import Path

import pytest
from exvideo_infer import load_base
from exvideo_train.config import load_config
from exvideo_train.data import cache_bytes, encode_data
from exvideo_train.data.sharing import Alone


@pytest.mark.parametrize("stride", [2, 12])
def test_the_room_of_a_cache_is_known_before(
    make_config: Callable[..., Path], text_base_dir: Path, tmp_path: Path, stride: int
) -> None:
    config = load_config(make_config(base=str(text_base_dir), **{"data.clip_stride": stride}))
    base = load_base(text_base_dir)
    data = encode_data(config, base, Alone(), lambda done, total: None)
    files = list((tmp_path / "run" / "latents").rglob("*.safetensors"))
    taken = sum(path.stat().st_size for path in files)
    assert cache_bytes(base, data.training) == pytest.approx(taken, abs=128 * len(files))
