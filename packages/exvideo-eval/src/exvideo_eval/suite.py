"""The whole evaluation: real clips against generated ones, and, beside them, against a baseline."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from exvideo_eval.bootstrap import Resampling
from exvideo_eval.clip_set import ClipSet, measure, measure_share
from exvideo_eval.drift import drift_metric, mean_metric, mismatch_metric, ratio_metric
from exvideo_eval.embedded.judges import judges_present, load_judges
from exvideo_eval.execution import Execution
from exvideo_eval.features.choice import load_extractor
from exvideo_eval.features.extractor import FeatureExtractor
from exvideo_eval.features.tiny_world_judges import JudgeFeatures
from exvideo_eval.file_cache import opened_cache
from exvideo_eval.folder import is_of_tiny_world
from exvideo_eval.frame_curves import CURVES, DIFFERENCE_TO_REAL, PSNR_TO_REAL, FrameCurve
from exvideo_eval.frechet import (
    Projection,
    affordable_dimension,
    frechet_interval,
    require_filled,
)
from exvideo_eval.judgement import judge_metrics, of_real_clips
from exvideo_eval.measured_file import Array, Instruments
from exvideo_eval.metrics.frechet import FeatureStatistics, frechet_distance
from exvideo_eval.plan import ClipPlan, Settings, plan_clips
from exvideo_eval.protocol import QualityProtocol
from exvideo_eval.protocols.into_result import with_measures
from exvideo_eval.protocols.measuring import MeasureSettings, Meter
from exvideo_eval.result_parts import Curve, Data, Metric
from exvideo_eval.results import Result


@dataclass(frozen=True)
class Evaluation:
    """One result for the generated clips and, if a baseline was given, one for it, under the same protocol."""

    generated: Result
    baseline: Result | None


def evaluate(
    real: str | Path,
    generated: str | Path,
    baseline: str | Path | None = None,
    settings: Settings | None = None,
    extractor: FeatureExtractor | None = None,
    execution: Execution | None = None,
    measures: MeasureSettings | None = None,
) -> Evaluation:
    """Judge a folder of generated clips, and optionally a second one, against a folder of real clips.

    Args:
        extractor: a feature network of one's own; by default the one that settings.features names.
        execution: cache, device, threads and processes; by default one thread, and nothing is kept.
        measures: published measures to add, with their networks.

    Raises:
        ValueError: one sentence: a folder that is missing, empty or without a usable file; settings that the clips do
            not allow; a feature network that is not installed or not given; fewer clips than a published measure takes.
    """
    settings, execution = settings or Settings(), execution or Execution()
    folders = _folders(real, generated, baseline)
    meter = None if measures is None else Meter(measures, execution)
    instruments = _instruments(folders, settings, extractor, execution)
    with opened_cache(instruments, execution) as cache:
        evaluation = _judged(measure(folders, instruments, cache, execution), instruments, settings)
    return evaluation if meter is None else _with_published(evaluation, meter, folders, settings)


def take_part(
    real: str | Path,
    generated: str | Path,
    baseline: str | Path | None,
    settings: Settings,
    execution: Execution,
    measures: MeasureSettings | None = None,
) -> None:
    """Measure this process's share of the files, for the main process, which calls `evaluate` with the same."""
    folders = _folders(real, generated, baseline)
    meter = None if measures is None else Meter(measures, execution)
    instruments = _instruments(folders, settings, None, execution)
    with opened_cache(instruments, execution) as cache:
        measure_share(folders, instruments, cache, execution)
    if meter is not None:
        meter.extract(folders)


def _with_published(
    evaluation: Evaluation, meter: Meter, folders: Mapping[str, Path], settings: Settings
) -> Evaluation:
    meter.extract(folders)
    resampling = Resampling(settings.resamples, settings.level, settings.seed)

    def added(result: Result, role: str) -> Result:
        return with_measures(result, meter.measure(role, folders["real"], folders[role], resampling))

    baseline = evaluation.baseline
    return Evaluation(
        added(evaluation.generated, "generated"), None if baseline is None else added(baseline, "baseline")
    )


def _folders(real: str | Path, generated: str | Path, baseline: str | Path | None) -> dict[str, Path]:
    folders = {"real": Path(real), "generated": Path(generated)}
    return folders if baseline is None else {**folders, "baseline": Path(baseline)}


def _judged(sets: Mapping[str, ClipSet], instruments: Instruments, settings: Settings) -> Evaluation:
    real, others = sets["real"], [clip_set for role, clip_set in sets.items() if role != "real"]
    num_windows = min(clip_set.num_windows for clip_set in others)
    full = instruments.extractor.dimension
    dimension = settings.dimension or affordable_dimension(real.num_windows, num_windows, full)
    results = {clip_set.role: _result(real, clip_set, instruments, dimension, settings) for clip_set in others}
    return Evaluation(results["generated"], results.get("baseline"))


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


def _result(real: ClipSet, generated: ClipSet, instruments: Instruments, dimension: int, settings: Settings) -> Result:
    plan = instruments.plan
    frechet, notes = _frechet_metrics(real, generated, instruments.extractor.name, dimension, settings)
    resampling = Resampling(settings.resamples, settings.level, settings.seed)
    judged, judge_notes = _judge_metrics(real, generated, instruments, resampling)
    metrics = [*frechet, *judged]
    for curve in CURVES:
        metrics += _curve_metrics(curve, generated.curves[curve.name], real.curves[curve.name], resampling)
    for curve, better in ((PSNR_TO_REAL, "higher"), (DIFFERENCE_TO_REAL, "lower")):
        if generated.curves_to_real:
            metrics.append(mean_metric(curve, generated.curves_to_real[curve.name], resampling, better))
    return Result.measured_here(
        kind="quality",
        name="clips against real clips",
        protocol=_protocol(real, generated, instruments, dimension, settings).to_dict(),
        metrics=tuple(metrics),
        data=tuple(_data(clip_set, plan) for clip_set in (real, generated)),
        curves=_curves(real, generated),
        notes=(*notes, *judge_notes, *_notes(real, generated, plan)),
        skipped=(*real.skipped, *generated.skipped),
    )


def _protocol(
    real: ClipSet, generated: ClipSet, instruments: Instruments, dimension: int, settings: Settings
) -> QualityProtocol:
    plan, extractor, judges = instruments.plan, instruments.extractor, instruments.judges
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
        frechet_dimension=dimension or None,
        real_files_sha256=real.sha256,
        real_clips=real.num_clips,
        generated_clips=generated.num_clips,
        resamples=settings.resamples,
        level=settings.level,
        seed=settings.seed,
        judges=None if judges is None else dict(judges.sha256),
    )


def _frechet_metrics(
    real: ClipSet, generated: ClipSet, features: str, dimension: int, settings: Settings
) -> tuple[list[Metric], list[str]]:
    """The distance, and that between two halves of the real clips, which tells what is noise; or a note on why not."""
    if dimension == 0:
        num_windows = min(real.num_windows, generated.num_windows)
        return [], [f"No Fréchet distance: too few windows ({num_windows}); it needs 4 or more of each set."]
    require_filled(min(real.num_windows, generated.num_windows), dimension)
    project = Projection.fit(FeatureStatistics.of_parts(real.features), dimension)
    real_clips, clips = ([project(clip) for clip in clip_set.features] for clip_set in (real, generated))
    real_statistics = FeatureStatistics.of_parts(real_clips)
    value = frechet_distance(real_statistics, FeatureStatistics.of_parts(clips))
    interval = frechet_interval(
        real_clips, clips, resamples=settings.resamples, level=settings.level, seed=settings.seed
    )
    unit = "squared feature units"
    name = f"Fréchet distance, {features} features"
    metrics = [Metric(name, value, unit, "lower", generated.num_windows, dimension, features, interval)]
    halves = [np.concatenate(real_clips[start::2]) for start in (0, 1) if real_clips[start::2]]
    if len(halves) < 2 or min(map(len, halves)) < 2 * dimension:
        return metrics, [f"Too few real clips ({real.num_clips}) to measure two halves of them against each other."]
    floor = frechet_distance(*(FeatureStatistics.of(half) for half in halves))
    name = f"Fréchet distance between halves of the real clips, {features} features"
    num_windows = min(map(len, halves))
    return [*metrics, Metric(name, floor, unit, "neutral", num_windows, dimension, features)], []


def _judge_metrics(
    real: ClipSet, generated: ClipSet, instruments: Instruments, resampling: Resampling
) -> tuple[list[Metric], list[str]]:
    """Of the generated clips, and the same of the real ones, which shows what these judges can see at all."""
    judges, num_frames = instruments.judges, instruments.plan.num_frames
    if judges is None:
        return [], []
    of_generated, notes = judge_metrics(generated.judgements, judges, num_frames, resampling)
    of_real, real_notes = judge_metrics(real.judgements, judges, num_frames, resampling)
    notes += [f"Real clips: {note}" for note in real_notes]
    if not any(judgement.sidecar.is_tiny_world for judgement in real.judgements):
        notes.append("The judges know the tiny world alone, and no real clip says that it is of it: do not trust them.")
    return [*of_generated, *of_real_clips(of_real)], notes


def _curve_metrics(curve: FrameCurve, generated: Array, real: Array, resampling: Resampling) -> list[Metric]:
    metrics = [
        mean_metric(curve, generated, resampling),
        ratio_metric(curve, generated, real, resampling),
        mismatch_metric(curve, generated, real, resampling),
        drift_metric(curve, generated, resampling),
    ]
    return [metric for metric in metrics if metric is not None]


def _curves(real: ClipSet, generated: ClipSet) -> tuple[Curve, ...]:
    """Means over clips per frame index: of both sets, and of the generated set against its real twins."""

    def mean(curve: FrameCurve, values: Array, series: str, better: str = "neutral") -> Curve:
        x = tuple(range(curve.first_frame, curve.first_frame + values.shape[1]))
        return Curve(curve.name, curve.unit, "frame index", x, tuple(values.mean(axis=0)), better, series)

    curves = [
        mean(curve, clip_set.curves[curve.name], series)
        for curve in CURVES
        for clip_set, series in ((real, "real"), (generated, "generated"))
    ]
    for curve, better in ((PSNR_TO_REAL, "higher"), (DIFFERENCE_TO_REAL, "lower")):
        if generated.curves_to_real:
            curves.append(mean(curve, generated.curves_to_real[curve.name], "generated", better))
    return tuple(curves)


def _data(clip_set: ClipSet, plan: ClipPlan) -> Data:
    rates = sorted({round(info.fps, 3) for info in clip_set.infos})
    what = (
        f"clips of {plan.num_frames} frames, files: {len(clip_set.files)}, windows: {clip_set.num_windows}, "
        f"{', '.join(f'{rate:g}' for rate in rates)} frames a second"
    )
    role = "real" if clip_set.role == "real" else "generated"
    return Data(role, what, str(clip_set.folder), clip_set.num_clips)


def _notes(real: ClipSet, generated: ClipSet, plan: ClipPlan) -> list[str]:
    """Facts that a reader of the numbers must know and could not see from them."""
    notes = []
    twins = len(next(iter(generated.curves_to_real.values()), ()))
    notes.append(f"Generated clips with a real file of the same name: {twins} of {generated.num_clips}.")
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
    return notes
