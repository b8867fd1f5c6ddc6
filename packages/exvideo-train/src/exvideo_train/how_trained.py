"""The training of an extension, as its file remembers it: what the sampler takes where a caller leaves it open."""

from statistics import median
from typing import Any

from exvideo_infer import Base

from exvideo_train.config import TrainConfig
from exvideo_train.data import Data

MOST_CLIPS = 64  # that are read for a median


def how_trained(config: TrainConfig, base: Base, data: Data) -> dict[str, Any]:
    """Values that JSON can write, for `Extension.training`. They are functions of configuration, base and clips.

    Args:
        config: complete.
        base: recommends steps and guidance, where the configuration's samples have none.
        data: encoded.

    Returns:
        `fps`: those of the clips, in rising order. `sizes`: [height, width] each, in pixels, and `lengths` in frames:
        those of the clips, the largest first; lengths where there are several. `sampling`: arguments of the sampler:
        the median `fps`; in a family that is told them, the medians of `motion_bucket_id` and
        `noise_aug_strength` over at most `MOST_CLIPS` clips; and steps and guidance. `pipeline` and `expert`, where the
        configuration names them.
    """
    rates = [round(clip.fps, 3) for clip in data.training]
    sampling: dict[str, Any] = {"fps": median(rates)}
    variants = config.noise_augmentation.variants
    read = [
        data.cache.read(clip, number % variants if variants else None)
        for number, clip in enumerate(data.training[:: -(-len(rates) // MOST_CLIPS)])
    ]
    told = [clip.conditions.time_ids for clip in read]
    for name, place in (("motion_bucket_id", 1), ("noise_aug_strength", 2)):
        values = [float(ids[0, place]) for ids in told if ids is not None]
        if values:
            sampling[name] = median(values)
    recommended = getattr(base, "sampling_defaults", None)
    for name in ("num_inference_steps", "min_guidance_scale", "max_guidance_scale"):
        wanted = None if config.samples is None else getattr(config.samples, name)
        if wanted is not None or recommended is not None:
            sampling[name] = getattr(recommended, name) if wanted is None else wanted
    buckets = data.buckets
    sizes = dict.fromkeys((bucket.height, bucket.width) for bucket in buckets)
    trained = {"fps": sorted(set(rates)), "sizes": [list(size) for size in sizes], "sampling": sampling}
    lengths = sorted({bucket.num_frames for bucket in buckets}, reverse=True)
    named = {"pipeline": config.base_pipeline, "expert": config.base_expert}
    trained |= {name: value for name, value in named.items() if value is not None}
    return trained | ({"lengths": lengths} if len(lengths) > 1 else {})
