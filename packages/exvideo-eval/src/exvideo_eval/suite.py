"""The whole evaluation: real clips against generated ones, a baseline against the same, and the two side by side."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from exvideo_eval.clip_measures.measuring import ClipMeter
from exvideo_eval.clip_set import ClipSet, measure, measure_share
from exvideo_eval.contrast import contrasts_of_sets
from exvideo_eval.distance_measures import axes_of
from exvideo_eval.execution import Execution
from exvideo_eval.features.choice import load_extractor
from exvideo_eval.features.extractor import FeatureExtractor
from exvideo_eval.file_cache import opened_cache
from exvideo_eval.folder import is_of_tiny_world
from exvideo_eval.frame_curves import CURVES, DIFFERENCE_TO_REAL, PSNR_TO_REAL, FrameCurve
from exvideo_eval.measured_file import Array, Instruments
from exvideo_eval.measures import Measured, measured
from exvideo_eval.pairs import source_of
from exvideo_eval.plan import ClipPlan, Settings, plan_clips
from exvideo_eval.projection import Projection, affordable_dimension
from exvideo_eval.protocol import QualityProtocol
from exvideo_eval.protocols.into_result import contrasted, with_measures
from exvideo_eval.protocols.measuring import MeasureSettings, Meter
from exvideo_eval.result_parts import Curve, Data, Media
from exvideo_eval.results import Result
from exvideo_eval.statistics import Resampling
from exvideo_eval.tiny_world.judge_features import JudgeFeatures
from exvideo_eval.tiny_world.judges import judges_present, load_judges
from exvideo_eval.unusual_files import unusual_files
from exvideo_eval.video_reader import RESIZING

NAME, CONTRAST_NAME = "clips against real clips", "clips against a baseline's"


@dataclass(frozen=True)
class Evaluation:
    """One result for the generated clips; with a baseline, one for it under the same protocol, and their contrast.

    A baseline changes nothing in the result of the generated clips.
    """

    generated: Result
    baseline: Result | None
    contrast: Result | None = None


def evaluate(
    real: str | Path,
    generated: str | Path,
    baseline: str | Path | None = None,
    settings: Settings | None = None,
    extractor: FeatureExtractor | None = None,
    execution: Execution | None = None,
    measures: MeasureSettings | None = None,
    clip_measures: Sequence[str] = (),
) -> Evaluation:
    """Judge a folder of generated clips, and optionally a second one, against a folder of real clips.

    Args:
        extractor: a feature network of one's own; by default the one that settings.features names.
        execution: cache, device, threads and processes; by default one thread, and nothing is kept.
        measures: published measures to add, with their networks.
        clip_measures: names of measures of clips to add, such as "smoothness" (`clip_measures.catalogue`).

    Raises:
        ValueError: one sentence: a folder that is missing, empty or without a usable file; settings that the clips do
            not allow; a feature network that is not installed or not given; fewer clips than a published measure takes.
    """
    settings, execution = settings or Settings(), execution or Execution()
    folders = _folders(real, generated, baseline)
    meter = None if measures is None else Meter(measures, execution)
    instruments = _instruments(folders, settings, extractor, execution)
    meters = _meters(meter, clip_measures, instruments, execution)
    with opened_cache(instruments, execution) as cache:
        evaluation = _judged(measure(folders, instruments, cache, execution), instruments, settings)
    for each in meters:
        evaluation = _with_measures(evaluation, each, folders, settings)
    return evaluation


def take_part(
    real: str | Path,
    generated: str | Path,
    baseline: str | Path | None,
    settings: Settings,
    execution: Execution,
    measures: MeasureSettings | None = None,
    clip_measures: Sequence[str] = (),
) -> None:
    """Measure this process's share of the files, for the main process, which calls `evaluate` with the same."""
    folders = _folders(real, generated, baseline)
    meter = None if measures is None else Meter(measures, execution)
    instruments = _instruments(folders, settings, None, execution)
    meters = _meters(meter, clip_measures, instruments, execution)
    with opened_cache(instruments, execution) as cache:
        measure_share(folders, instruments, cache, execution)
    for each in meters:
        each.extract(folders)


def _meters(
    published: Meter | None, clip_measures: Sequence[str], instruments: Instruments, execution: Execution
) -> list[Meter | ClipMeter]:
    of_clips = [ClipMeter(clip_measures, instruments.plan, execution)] if clip_measures else []
    return [*([published] if published else []), *of_clips]


def _with_measures(
    evaluation: Evaluation, meter: Meter | ClipMeter, folders: Mapping[str, Path], settings: Settings
) -> Evaluation:
    meter.extract(folders)
    resampling = Resampling(settings.resamples, settings.level, settings.seed)
    ours = meter.measure("generated", folders["real"], folders["generated"], resampling)
    evaluation = replace(evaluation, generated=with_measures(evaluation.generated, ours))
    baseline, contrast = evaluation.baseline, evaluation.contrast
    if baseline is None or contrast is None:
        return evaluation
    theirs = meter.measure("baseline", folders["real"], folders["baseline"], resampling)
    contrast = with_measures(contrast, contrasted(ours, theirs, "baseline", resampling))
    return replace(evaluation, baseline=with_measures(baseline, theirs), contrast=contrast)


def _folders(real: str | Path, generated: str | Path, baseline: str | Path | None) -> dict[str, Path]:
    folders = {"real": Path(real), "generated": Path(generated)}
    return folders if baseline is None else {**folders, "baseline": Path(baseline)}


def _judged(sets: Mapping[str, ClipSet], instruments: Instruments, settings: Settings) -> Evaluation:
    real, first, second = sets["real"], sets["generated"], sets.get("baseline")
    dimension = settings.dimension
    if dimension is None:
        dimension = affordable_dimension(real.num_clips, first.num_clips, instruments.extractor.dimension)
    task = _Task(real, instruments, axes_of(real, dimension) if dimension else None, settings)
    ours = task.measured(first)
    result = task.result(first, ours)
    if second is None:
        return Evaluation(result, None)
    theirs = task.measured(second)
    return Evaluation(result, task.result(second, theirs), task.contrast((first, ours), (second, theirs)))


def _instruments(
    folders: Mapping[str, Path], settings: Settings, extractor: FeatureExtractor | None, execution: Execution
) -> Instruments:
    """The judges judge clips of the tiny world, and whatever clips their features are asked for."""
    plan = plan_clips(settings, folders["generated"], execution)
    tiny_world = is_of_tiny_world(folders["real"])
    extractor = extractor or load_extractor(settings.features, tiny_world, execution.device)
    if isinstance(extractor, JudgeFeatures):
        return Instruments(plan, extractor, extractor.judges, execution.batch_size)
    judges = load_judges(device=execution.device) if tiny_world and judges_present() else None
    return Instruments(plan, extractor, judges, execution.batch_size)


@dataclass(frozen=True)
class _Task:
    """All that the judged sets share. `axes`: None where there are too few clips for a Fréchet distance."""

    real: ClipSet
    instruments: Instruments
    axes: Projection | None
    settings: Settings

    @property
    def resampling(self) -> Resampling:
        return Resampling(self.settings.resamples, self.settings.level, self.settings.seed)

    def measured(self, clips: ClipSet) -> Measured:
        return measured(clips, self.real, self.instruments, self.axes, self.resampling, self.settings.seam_every)

    def result(self, clips: ClipSet, found: Measured) -> Result:
        return Result.measured_here(
            kind="quality",
            name=NAME,
            protocol=self._protocol(clips).to_dict(),
            metrics=found.metrics,
            data=tuple(_data(each, self.instruments.plan) for each in (self.real, clips)),
            curves=(*_curves(self.real, clips), *found.curves),
            clip_values=found.clip_values,
            notes=(*found.notes, *_notes(self.real, clips, self.instruments.plan)),
            skipped=(*self.real.skipped, *clips.skipped),
        )

    def contrast(self, generated: tuple[ClipSet, Measured], baseline: tuple[ClipSet, Measured]) -> Result:
        """The generated clips against the baseline's, by every measure that both have."""
        (first, ours), (second, theirs) = generated, baseline
        found = contrasts_of_sets(ours.measures, theirs.measures, second.role, self.resampling)
        protocol = {
            **self._protocol(first).to_dict(),
            "baseline_clips": second.num_clips,
            "baseline_files_sha256": second.sha256,
        }
        return Result.measured_here(
            kind="quality",
            name=CONTRAST_NAME,
            protocol=protocol,
            metrics=tuple(metric for metric, _ in found),
            data=tuple(_data(each, self.instruments.plan) for each in (self.real, second, first)),
            clip_values=tuple(values for _, values in found if values),
            notes=tuple(_pairing_notes(first, second)),
        )

    def _protocol(self, clips: ClipSet) -> QualityProtocol:
        plan, extractor, judges = self.instruments.plan, self.instruments.extractor, self.instruments.judges
        return QualityProtocol(
            num_frames=plan.num_frames,
            height=plan.size[0],
            width=plan.size[1],
            window=plan.window,
            window_stride=plan.window_stride,
            features=extractor.name,
            feature_input=extractor.input_description,
            feature_weights_sha256=extractor.weights_sha256,
            feature_dimension=extractor.dimension,
            frechet_dimension=None if self.axes is None else self.axes.axes.shape[1],
            real_files_sha256=self.real.sha256,
            real_clips=self.real.num_clips,
            generated_clips=clips.num_clips,
            resamples=self.settings.resamples,
            level=self.settings.level,
            seed=self.settings.seed,
            seam_every=self.settings.seam_every,
            judges=None if judges is None else dict(judges.sha256),
        )


def _curves(real: ClipSet, generated: ClipSet) -> tuple[Curve, ...]:
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


def _data(clip_set: ClipSet, plan: ClipPlan) -> Data:
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


def _notes(real: ClipSet, generated: ClipSet, plan: ClipPlan) -> list[str]:
    """Facts that a reader of the numbers must know and could not see from them."""
    notes = _pairing_notes(generated, real)
    for clips in (real, generated):
        notes += unusual_files(clips.role, dict(zip(clips.files, clips.infos, strict=True)))
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


def _pairing_notes(first: ClipSet, second: ClipSet) -> list[str]:
    """The clips of two sets that are drawn as pairs, as both have a file of their name."""
    shared = {source_of(file) for file in first.files} & {source_of(file) for file in second.files}
    role = {"real": "a real file", "baseline": "a baseline's file"}[second.role]
    count = f"{len(shared)} of {first.num_clips}"
    return [f"{first.role.capitalize()} clips with {role} of their name, drawn as pairs: {count}."]
