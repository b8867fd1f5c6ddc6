"""Everything that a result tells of its sets beside figures: mean curves, traits of the files, notes to the reader."""

from collections.abc import Iterable

from exvideo_eval.clip_set import ClipSet
from exvideo_eval.frame_curves import CURVES, DIFFERENCE_TO_REAL, PSNR_TO_REAL, FrameCurve
from exvideo_eval.measured_file import Array
from exvideo_eval.pairs import source_of
from exvideo_eval.plan import ClipPlan
from exvideo_eval.result_parts import Curve, Data, Media
from exvideo_eval.unusual_files import copied_files, unusual_files
from exvideo_eval.video_reader import RESIZING


def curves_of_sets(real: ClipSet, generated: ClipSet) -> tuple[Curve, ...]:
    """Means over clips per frame index: of both sets, and of the generated set against its real twins."""

    def mean(curve: FrameCurve, values: Array, series: str) -> Curve:
        x = tuple(range(curve.first_frame, curve.first_frame + values.shape[1]))
        return Curve(curve.name, curve.unit, "frame index", x, tuple(values.mean(axis=0)), series=series)

    curves = [
        mean(curve, clip_set.curves[curve.name], series)
        for curve in CURVES
        for clip_set, series in ((real, "real"), (generated, "generated"))
    ]
    for curve in (PSNR_TO_REAL, DIFFERENCE_TO_REAL):
        if generated.curves_to_real:
            curves.append(mean(curve, generated.curves_to_real[curve.name], "generated"))
    return tuple(curves)


def data_of(clip_set: ClipSet, plan: ClipPlan) -> Data:
    media = _media(clip_set, plan)
    rates = ", ".join(f"{rate:g}" for rate in media.fps)
    what = (
        f"clips of {plan.num_frames} frames, files: {len(clip_set.files)}, windows: {clip_set.num_windows}, "
        f"{rates} frames a second"
    )
    return Data(clip_set.role, what, str(clip_set.folder), clip_set.num_clips, media)


def _media(clip_set: ClipSet, plan: ClipPlan) -> Media:
    infos = clip_set.infos
    resized = any((info.height, info.width) != plan.size for info in infos)
    return Media(
        codecs=_distinct(info.codec for info in infos),
        pixel_formats=_distinct(info.pixel_format for info in infos),
        sizes=_distinct(f"{info.height}x{info.width}" for info in infos),
        fps=tuple(sorted({round(info.fps, 3) for info in infos})),
        resizing=f"to {plan.size[0]}x{plan.size[1]}, {RESIZING}" if resized else "none",
    )


def _distinct(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(values)))


def notes_of(real: ClipSet, generated: ClipSet, plan: ClipPlan) -> list[str]:
    """Facts that a reader of the numbers must know and could not see from them."""
    notes = pairing_notes(generated, real)
    for clips in (real, generated):
        notes += unusual_files(clips.role, dict(zip(clips.files, clips.infos, strict=True)))
        notes += copied_files(clips.role, clips.contents)
    rates = [sorted({round(info.fps, 3) for info in clip_set.infos}) for clip_set in (real, generated)]
    if rates[0] != rates[1]:
        notes.append(
            f"Frame rates differ (real {rates[0]}, generated {rates[1]}): curves run by frame index, not time."
        )
    longer = sum(info.num_frames > plan.num_frames for info in generated.infos)
    if longer:
        notes.append(f"Generated files longer than {plan.num_frames} frames: {longer}; only their beginning counts.")
    smaller = sum(info.height < plan.size[0] or info.width < plan.size[1] for info in real.infos)
    if smaller:
        notes.append(f"Real files enlarged to {plan.size[0]}x{plan.size[1]}: {smaller}; their sharpness is too low.")
    kinds = [_media(clip_set, plan) for clip_set in (real, generated)]
    for what, (one, two) in (
        ("Codecs", (kinds[0].codecs, kinds[1].codecs)),
        ("Pixel formats", (kinds[0].pixel_formats, kinds[1].pixel_formats)),
    ):
        if one != two:
            notes.append(f"{what} differ (real {', '.join(one)}; generated {', '.join(two)}): some distances see that.")
    return notes


def pairing_notes(first: ClipSet, second: ClipSet) -> list[str]:
    """The clips of two sets that are drawn as pairs, as both have a file of their name."""
    shared = {source_of(file) for file in first.files} & {source_of(file) for file in second.files}
    role = {"real": "a real file", "baseline": "a baseline's file", "base": "one of the base's own"}[second.role]
    count = f"{len(shared)} of {first.num_clips}"
    return [f"{first.role.capitalize()} clips with {role} of their name, drawn as pairs: {count}."]
