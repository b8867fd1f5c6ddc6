"""Published measures other than FVD: of whole clips, of frames as pictures, and of clips and their captions."""

from exvideo_eval.features.published.networks import C3D, CLIP_MODEL, INCEPTION_V3, VJEPA_H
from exvideo_eval.protocols.definition import CLIP, DRAWN, FRAME, FeatureRule, Protocol, Samples
from exvideo_eval.protocols.frames import Frames
from exvideo_eval.protocols.pixels import BICUBIC, SHORT_SIDE, CentreCrop, Divide, Normalize, Resize, ToFloat
from exvideo_eval.protocols.statistics import (
    CaptionSimilarity,
    ClassVariety,
    FrameConsistency,
    FrechetByFrame,
    FrechetDistance,
    KernelDistance,
    PolynomialDistance,
    SlicedDistance,
)

_FRAMES = Frames(None)
_FEATURES, _PROBABILITIES = (("return_features", True),), (("no_output_bias", True),)
_INCEPTION = FeatureRule(INCEPTION_V3, _FRAMES, (), _FEATURES, FRAME, batch_size=64)
_IMAGENET = Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_OPENAI = Normalize((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
_CLIP = FeatureRule(
    CLIP_MODEL,
    _FRAMES,
    (Resize(224, SHORT_SIDE, BICUBIC, antialias=True), CentreCrop(224), ToFloat(), Divide(255.0), _OPENAI),
    (),
    FRAME,
    batch_size=64,
)
_ALL_CLIPS = Samples(real=None, generated=None)

JEDI = Protocol(
    measure="JEDi",
    dialect="",
    source="Luo et al., arXiv 2410.05203; package videojedi 1.1.0",
    # Frames keep their size: the authors' package bends the position encoding to it. V-JEPA's own clips have 16.
    features=FeatureRule(VJEPA_H, Frames(16), (ToFloat(), Divide(255.0), _IMAGENET), (), CLIP, batch_size=4),
    samples=Samples(real=5000, generated=5000),
    statistic=PolynomialDistance(degree=2, coef0=0.0, unbiased=False, factor=100.0),
)
FID = Protocol(
    measure="FID",
    dialect="",
    source="Heusel et al., arXiv 1706.08500, all frames; 10,000 is the least that its authors' code recommends",
    features=_INCEPTION,
    samples=Samples(real=10_000, generated=10_000, exactly=False),
    statistic=FrechetDistance(ddof=1),
)
FID_BY_FRAME = Protocol(
    measure="FID by frame index",
    dialect="",
    source="Heusel et al., arXiv 1706.08500, on the frames of one index; no fewer clips than features",
    features=FeatureRule(INCEPTION_V3, Frames(None, equal=True), (), _FEATURES, FRAME, batch_size=64),
    samples=Samples(real=2048, generated=2048, exactly=False),
    statistic=FrechetByFrame(ddof=1),
)
KID = Protocol(
    measure="KID",
    dialect="",
    source="Binkowski et al., arXiv 1801.01401, all frames",
    features=_INCEPTION,
    samples=Samples(real=1000, generated=1000, exactly=False),
    statistic=KernelDistance(),
)
MIND = Protocol(
    measure="MIND",
    dialect="",
    source="Berthet et al., arXiv 2605.06797, on 5,000 of all frames",
    features=_INCEPTION,
    samples=Samples(real=5000, generated=5000, chosen=DRAWN),
    statistic=SlicedDistance(projections=1000),
)
INCEPTION_SCORE = Protocol(
    measure="Inception Score",
    dialect="",
    source="Salimans et al., arXiv 1606.03498, all frames; universome/stylegan-v, is50k, which shuffles nothing",
    features=FeatureRule(INCEPTION_V3, _FRAMES, (), _PROBABILITIES, FRAME, batch_size=64),
    samples=Samples(real=None, generated=50_000, exactly=False),
    statistic=ClassVariety(splits=10, shuffle_seed=None),
)
VIDEO_INCEPTION_SCORE = Protocol(
    measure="Video Inception Score",
    dialect="",
    source="Saito et al., arXiv 1811.09245; universome/stylegan-v, isv2048_ucf",
    features=FeatureRule(C3D, Frames(16), (), (), CLIP, batch_size=8),
    samples=Samples(real=None, generated=2048),
    statistic=ClassVariety(splits=10, shuffle_seed=42),
)
CLIP_SCORE = Protocol(
    measure="CLIP score",
    dialect="",
    source="Hessel et al., arXiv 2104.08718, as torchmetrics scales it; all frames averaged",
    features=_CLIP,
    samples=_ALL_CLIPS,
    statistic=CaptionSimilarity(factor=100.0, clamped=True),
)
CLIP_COSINE = Protocol(
    measure="CLIP cosine",
    dialect="",
    source="Radford et al., arXiv 2103.00020; all frames averaged, nothing clamped",
    features=_CLIP,
    samples=_ALL_CLIPS,
    statistic=CaptionSimilarity(factor=1.0, clamped=False),
)
TEMPORAL_CLIP = Protocol(
    measure="temporal CLIP",
    dialect="",
    source="Esser et al., arXiv 2302.03011, frame consistency",
    features=_CLIP,
    samples=_ALL_CLIPS,
    statistic=FrameConsistency(),
)

OTHERS = {
    "jedi": JEDI,
    "fid": FID,
    "fid-by-frame": FID_BY_FRAME,
    "kid": KID,
    "mind": MIND,
    "inception-score": INCEPTION_SCORE,
    "video-inception-score": VIDEO_INCEPTION_SCORE,
    "clip-score": CLIP_SCORE,
    "clip-cosine": CLIP_COSINE,
    "temporal-clip": TEMPORAL_CLIP,
}
