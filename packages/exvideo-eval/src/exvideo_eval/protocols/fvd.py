"""Fréchet Video Distance in the dialects that papers report, and the kernel distance (KVD) on the same features.

Unterthiner et al., arXiv 1812.01717. All take logits of an I3D that was trained on Kinetics-400, or features of
VideoMAE-v2; they differ in pixels, frames, normalisation and numbers of clips, and their values do not compare with one
another. Every distance is in double precision here, whatever the authors' code rounds to.
"""

from dataclasses import replace

from exvideo_eval.features.published.networks import I3D, I3D_400, VIDEOMAE_G
from exvideo_eval.protocols.definition import CLIP, DRAWN, FeatureRule, Protocol, Samples
from exvideo_eval.protocols.frames import RANDOM, Frames
from exvideo_eval.protocols.pixels import (
    SHORT_SIDE,
    TENSORFLOW,
    CentreCrop,
    Divide,
    Multiply,
    Resize,
    Subtract,
    ToBytes,
    ToFloat,
)
from exvideo_eval.protocols.statistics import FrechetDistance, KernelDistance

I3D_MIN_FRAMES = 10  # fewer vanish in I3D's pooling over time
_GIVEN = (("rescale", False), ("resize", False), ("return_features", True))
_INSIDE = (("rescale", True), ("resize", True), ("return_features", True))
_ALL_FRAMES = Frames(None, minimum=I3D_MIN_FRAMES, equal=True)

_TO_UNIT = (ToFloat(), Divide(255.0))
_SHORT_SIDE_THEN_SCALE = (*_TO_UNIT, Resize(224, SHORT_SIDE), CentreCrop(224), Subtract(0.5), Multiply(2.0))
_SQUASHED_BYTES = (ToFloat(), Resize(224), Multiply(2.0), Divide(255.0), Subtract(1.0))
# cd-fvd first brings files to 256x256, in levels cut down to whole ones; then each network's own preprocessing.
_TO_256 = (*_TO_UNIT, Resize(256, SHORT_SIDE, antialias=True), CentreCrop(256), Multiply(255.0), ToBytes())
_CD_FRAMES = Frames(16, real_start=RANDOM, generated_start=RANDOM)
_CD_SAMPLES = Samples(real=None, generated=2048, chosen=DRAWN)
_CD_SOURCE = "Ge et al., arXiv 2404.12391; package cd-fvd 0.1.1"

TF_ORIGINAL = Protocol(
    measure="FVD",
    dialect="tf-original",
    source="Unterthiner et al., arXiv 1812.01717; google-research/frechet_video_distance, TensorFlow-GAN",
    features=FeatureRule(
        I3D,
        _ALL_FRAMES,
        (ToFloat(), Resize(224, method=TENSORFLOW), Multiply(2.0), Divide(255.0), Subtract(1.0)),
        _GIVEN,
        CLIP,
        batch_size=16,
    ),
    samples=Samples(real=16, generated=16, exactly=False, multiple_of=16),
    statistic=FrechetDistance(ddof=1, root_eps=1e-10),
)

STYLEGAN_V = Protocol(
    measure="FVD",
    dialect="stylegan-v",
    source="Skorokhodov et al., arXiv 2112.14683; universome/stylegan-v, fvd2048_16f",
    features=FeatureRule(I3D, Frames(16, real_start=RANDOM), (), _INSIDE, CLIP, batch_size=8),
    samples=Samples(real=2048, generated=2048),
    statistic=FrechetDistance(ddof=0),
)

CD_FVD = Protocol(
    measure="FVD",
    dialect="cd-fvd",
    source=_CD_SOURCE,
    features=FeatureRule(I3D_400, _CD_FRAMES, (*_TO_256, *_SQUASHED_BYTES), (), CLIP, batch_size=16),
    samples=_CD_SAMPLES,
    statistic=FrechetDistance(ddof=0),
)

CD_FVD_VIDEOMAE = Protocol(
    measure="FVD",
    dialect="cd-fvd-videomae",
    source=_CD_SOURCE,
    features=FeatureRule(VIDEOMAE_G, _CD_FRAMES, (*_TO_256, *_TO_UNIT, Resize(224)), (), CLIP, batch_size=16),
    samples=_CD_SAMPLES,
    statistic=FrechetDistance(ddof=0),
)

VIDEOGPT = Protocol(
    measure="FVD",
    dialect="videogpt",
    source="Yan et al., arXiv 2104.10157; wilson1yan/VideoGPT, scripts/compute_fvd.py",
    features=FeatureRule(I3D_400, Frames(16, real_start=RANDOM), _SHORT_SIDE_THEN_SCALE, (), CLIP, batch_size=16),
    samples=Samples(real=256, generated=256, chosen=DRAWN, multiple_of=16),
    statistic=FrechetDistance(ddof=1, root_eps=1e-10),
)

COMMON_METRICS = Protocol(
    measure="FVD",
    dialect="common-metrics",
    source="JunyaoHu/common_metrics_on_video_quality, method 'styleganv'",
    features=FeatureRule(I3D, _ALL_FRAMES, _SHORT_SIDE_THEN_SCALE, _GIVEN, CLIP, batch_size=10),
    samples=Samples(real=2, generated=2, exactly=False),
    statistic=FrechetDistance(ddof=1),
)

FASTVIDEO = Protocol(
    measure="FVD",
    dialect="fastvideo",
    source="hao-ai-lab/FastVideo, benchmarks/fvd, fvd2048_16f",
    features=FeatureRule(
        I3D,
        Frames(16),
        (*_TO_UNIT, Multiply(2.0), Subtract(1.0), Resize(224)),
        _GIVEN,
        CLIP,
        batch_size=32,
    ),
    samples=Samples(real=2048, generated=2048),
    statistic=FrechetDistance(ddof=1, ridge=1e-6),
)


def _longer(protocol: Protocol, ending: str, count: int, stride: int, batch_size: int) -> Protocol:
    """The same dialect on more of each clip."""
    frames = replace(protocol.features.frames, count=count, stride=stride)
    features = replace(protocol.features, frames=frames, batch_size=batch_size)
    return replace(protocol, dialect=f"{protocol.dialect}-{ending}", features=features)


FVD = (
    TF_ORIGINAL,
    STYLEGAN_V,
    _longer(STYLEGAN_V, "128f", count=128, stride=1, batch_size=1),
    _longer(STYLEGAN_V, "128f-subsample8", count=16, stride=8, batch_size=8),
    CD_FVD,
    CD_FVD_VIDEOMAE,
    VIDEOGPT,
    COMMON_METRICS,
    FASTVIDEO,
    _longer(FASTVIDEO, "128f", count=128, stride=1, batch_size=32),
    _longer(FASTVIDEO, "128f-subsample8", count=16, stride=8, batch_size=32),
)

# Of each dialect's features; subsets of 1000 need as many clips, and take more where there are more.
KVD = tuple(
    replace(fvd, measure="KVD", statistic=KernelDistance(), samples=Samples(1000, 1000, exactly=False)) for fvd in FVD
)
