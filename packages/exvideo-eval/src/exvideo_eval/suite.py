"""The whole evaluation: real clips against generated ones, a baseline against the same, and the two side by side."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from exvideo_eval.clip_measures.measuring import ClipMeter
from exvideo_eval.clip_parts import Parts
from exvideo_eval.clip_set import REAL, ClipSet, measure, measure_share
from exvideo_eval.contrast import contrasts_of_sets, uncontrasted
from exvideo_eval.description import curves_of_sets, data_of, notes_of, pairing_notes
from exvideo_eval.distance_measures import Distances, axes_of
from exvideo_eval.execution import Execution
from exvideo_eval.features.choice import load_extractor
from exvideo_eval.features.extractor import FeatureExtractor
from exvideo_eval.file_cache import opened_cache
from exvideo_eval.folder import is_of_tiny_world
from exvideo_eval.measured_file import Instruments
from exvideo_eval.measures import Measured, measured
from exvideo_eval.part_distances import PartDistances, measure_parts, measure_share_of_parts, part_distances
from exvideo_eval.plan import ClipPlan, Settings, plan_clips
from exvideo_eval.projection import affordable_dimension
from exvideo_eval.protocol import QualityProtocol
from exvideo_eval.protocols.into_result import contrasted, with_measures
from exvideo_eval.protocols.measuring import MeasureSettings, Meter
from exvideo_eval.result_parts import Data
from exvideo_eval.results import Result
from exvideo_eval.statistics import Resampling
from exvideo_eval.tiny_world.judge_features import JudgeFeatures
from exvideo_eval.tiny_world.judges import judges_present, load_judges

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
    base_clips: str | Path | None = None,
) -> Evaluation:
    """Judge a folder of generated clips, and optionally a second one, against a folder of real clips.

    Args:
        extractor: a feature network of one's own; by default the one that settings.features names.
        execution: cache, device, threads and processes; by default one thread, and nothing is kept.
        measures: published measures to add, with their networks.
        clip_measures: names of measures of clips to add, such as "smoothness" (`clip_measures.catalogue`).
        base_clips: a folder of clips that the base itself makes, as long as it was made for: with it, distances of
            each third of the clips, and of fragments of this length from the base's clips.

    Raises:
        ValueError: one sentence: a folder that is missing, empty or without a usable file; settings that the clips do
            not allow; a feature network that is not installed or not given; fewer clips than a published measure takes.
    """
    settings, execution = settings or Settings(), execution or Execution()
    folders = _folders(real, generated, baseline)
    meter = None if measures is None else Meter(measures, execution)
    instruments = _instruments(folders, settings, extractor, execution)
    meters = _meters(meter, clip_measures, instruments, execution)
    parts = _parts(settings, base_clips, instruments, execution)
    with ExitStack() as stack:
        cache = stack.enter_context(opened_cache(instruments, execution))
        sets = measure(folders, instruments, cache, execution)
        measured_parts = measure_parts(parts, sets, instruments, execution, stack)
        evaluation = _judged(sets, parts, measured_parts, instruments, settings)
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
    base_clips: str | Path | None = None,
) -> None:
    """Measure this process's share of the files, for the main process, which calls `evaluate` with the same."""
    folders = _folders(real, generated, baseline)
    meter = None if measures is None else Meter(measures, execution)
    instruments = _instruments(folders, settings, None, execution)
    meters = _meters(meter, clip_measures, instruments, execution)
    parts = _parts(settings, base_clips, instruments, execution)
    with opened_cache(instruments, execution) as cache:
        measure_share(folders, instruments, cache, execution)
    measure_share_of_parts(parts, folders, instruments, execution)
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


def _parts(settings: Settings, base_clips: str | Path | None, instruments: Instruments, execution: Execution) -> Parts:
    folder = None if base_clips is None else Path(base_clips)
    return Parts.of(settings.thirds, folder, instruments.plan, execution)


def _judged(
    sets: Mapping[str, ClipSet],
    parts: Parts,
    measured_parts: Mapping[ClipPlan, Mapping[str, ClipSet]],
    instruments: Instruments,
    settings: Settings,
) -> Evaluation:
    real, first, second = sets["real"], sets["generated"], sets.get("baseline")
    dimension = settings.dimension
    if dimension is None:
        dimension = affordable_dimension(real.num_clips, first.num_clips, instruments.extractor.dimension)
    others = [clips for role, clips in sets.items() if role != REAL]
    features = instruments.extractor.name
    distances = Distances.of(real, others, features, axes_of(real, dimension), instruments.plan.starts)
    of_parts = part_distances(parts, measured_parts, features, dimension, settings.dimension)
    task = _Task(real, instruments, distances, parts, of_parts, settings)
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
    """All that the judged sets share."""

    real: ClipSet
    instruments: Instruments
    distances: Distances
    parts: Parts
    of_parts: PartDistances
    settings: Settings

    @property
    def resampling(self) -> Resampling:
        return Resampling(self.settings.resamples, self.settings.level, self.settings.seed)

    def measured(self, clips: ClipSet) -> Measured:
        return measured(
            clips,
            self.real,
            self.instruments,
            self.distances,
            self.of_parts.distances,
            self.resampling,
            self.settings.seam_every,
        )

    def result(self, clips: ClipSet, found: Measured) -> Result:
        return Result.measured_here(
            kind="quality",
            name=NAME,
            protocol=self._protocol(clips),
            metrics=found.metrics,
            data=self._data(clips),
            curves=(*curves_of_sets(self.real, clips), *found.curves),
            clip_values=found.clip_values,
            notes=(*found.notes, *notes_of(self.real, clips, self.instruments.plan), *self.of_parts.notes_of(clips)),
            skipped=tuple(item for each in (self.real, *self._base, clips) for item in each.skipped),
        )

    def contrast(self, generated: tuple[ClipSet, Measured], baseline: tuple[ClipSet, Measured]) -> Result:
        """The generated clips against the baseline's, by every measure that both have."""
        (first, ours), (second, theirs) = generated, baseline
        found = contrasts_of_sets(ours.measures, theirs.measures, second.role, self.resampling)
        protocol = {
            **self._protocol(first),
            "baseline_clips": second.num_clips,
            "baseline_files_sha256": second.sha256,
        }
        return Result.measured_here(
            kind="quality",
            name=CONTRAST_NAME,
            protocol=protocol,
            metrics=tuple(metric for metric, _ in found),
            data=self._data(second, first),
            clip_values=tuple(values for _, values in found if values),
            notes=(*pairing_notes(first, second), *uncontrasted(ours.measures, theirs.measures, second.role)),
        )

    @property
    def _base(self) -> list[ClipSet]:
        return [] if self.of_parts.base is None else [self.of_parts.base]

    def _data(self, *clips: ClipSet) -> tuple[Data, ...]:
        """Of the real clips, the base's own if there are any, and these."""
        plan = self.instruments.plan
        of_base = [data_of(each, self.parts.fragments.base_plan) for each in self._base if self.parts.fragments]
        return (data_of(self.real, plan), *of_base, *(data_of(each, plan) for each in clips))

    def _protocol(self, clips: ClipSet) -> dict[str, Any]:
        plan, extractor, judges = self.instruments.plan, self.instruments.extractor, self.instruments.judges
        axes = self.distances.axes
        protocol = QualityProtocol(
            num_frames=plan.num_frames,
            height=plan.size[0],
            width=plan.size[1],
            window=plan.window,
            window_stride=plan.window_stride,
            features=extractor.name,
            feature_input=extractor.input_description,
            feature_weights_sha256=extractor.weights_sha256,
            feature_dimension=extractor.dimension,
            frechet_dimension=None if axes is None else axes.axes.shape[1],
            real_files_sha256=self.real.sha256,
            real_clips=self.real.num_clips,
            generated_clips=clips.num_clips,
            resamples=self.settings.resamples,
            level=self.settings.level,
            seed=self.settings.seed,
            seam_every=self.settings.seam_every,
            judges=None if judges is None else dict(judges.sha256),
        )
        parts = self.of_parts.protocol(self.parts)
        return {**protocol.to_dict(), **({"parts": parts} if parts else {})}
