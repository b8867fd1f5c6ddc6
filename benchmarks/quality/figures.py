"""The figures of a setting as plain values: every method's measures and costs, and methods against each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from exvideo_eval import Interval, Metric
from exvideo_eval.shares import mcnemar
from exvideo_infer import ExVideoPipeline
from numpy.typing import NDArray

from benchmarks.quality.comparison import Compared, compare, overall
from benchmarks.quality.held_out import held_out
from benchmarks.quality.judged import Judged, judge, judges_sha256, own_table, paired
from benchmarks.quality.methods import CONTROL, POST_TUNED, UNTRAINED, Method
from benchmarks.quality.protocol import (
    DISPLACEMENT,
    KEYFRAMES,
    MOST_COST,
    NEW_TO_THE_BASE,
    PRIMARY,
    SPLITS,
    TEST,
    paper_sha256,
)
from benchmarks.quality.record import check, made_with
from benchmarks.quality.rows import DTYPE, Row, cost_of, deciding_of
from benchmarks.quality.setting import Setting
from benchmarks.quality.trained import WHOLE
from tiny_world.truth.figures import mean_known
from tiny_world.truth.measured_set import MOVING_KINDS
from tiny_world.truth.over_seeds import TURNS, mean_metric, measure_named, ratio_metric, table, ways_gone
from tiny_world.world.clip_files import ClipFile

Array = NDArray[np.float64]

REAL = "real"
DIRECT = "direct"
SHARE = "way gone, share of the true one"
EXPLORATORY = ("trajectory error", "velocity error", "area error", "colour error", "extra bodies", "judged right")


@dataclass(frozen=True)
class Findings:
    """All rows of a setting that are whole, judged.

    Args:
        setting: of them.
        rows: by method, one a seed, of the first seeds that it has.
        real: the real clips.
        floor: the real files themselves, judged as a row.
    """

    setting: Setting
    rows: Mapping[str, Sequence[Judged]]
    real: Sequence[ClipFile]
    floor: Judged

    @classmethod
    def of(cls, setting: Setting) -> "Findings":
        """Judges what is there; rows of which clips are missing are left out.

        Raises:
            ValueError: no row is whole, or one was made by something else than the setting has now.
        """
        real = setting.real()
        rows = {}
        for name in setting.names:
            found = [judge(folder, real) for folder in _whole_folders(setting, name, len(real))]
            if found:
                rows[name] = found
        if not rows:
            raise ValueError(
                f"{setting.made} has no row of all {len(real)} clips of seed {setting.size.seeds[0]}: make one first, "
                "without --judge, or give the --output that has them."
            )
        return cls(setting, rows, real, judge(setting.folder / REAL, real))

    @cached_property
    def opponent(self) -> str | None:
        """The protocol's: of what needs no training and costs no more, the method of the least displacement error.

        Of the test split the one that was named by the validate split.
        """
        held = self.setting.of.held
        if self.setting.split == TEST and held is not None:
            return held[1]
        errors = {name: self._mean(DISPLACEMENT, name) for name in self.rows if self._may_oppose(name)}
        return min(errors, key=errors.__getitem__) if errors else None

    def _may_oppose(self, name: str) -> bool:
        method = self.setting.method(name, self.setting.size.seeds[0])
        frames = self.setting.of.num_frames
        most = MOST_COST * self.setting.method(DIRECT, 0).network_frames(frames)
        return name == NEW_TO_THE_BASE or (method.kind == UNTRAINED and method.network_frames(frames) <= most)

    def as_json(self) -> dict[str, Any]:
        """All figures, to four digits."""
        setting = self.setting
        return {
            "protocol": self._protocol(),
            "left_out": setting.left_out(),
            "opponent": self.opponent,
            "held": list(setting.of.held or ()),
            "methods": {name: self._method(name, setting.method(name, setting.size.seeds[0])) for name in self.rows},
            REAL: {metric.name: _as_json(metric) for metric in self._metrics([self.floor])},
            "against": {
                other: {name: self._against(name, other) for name in self.rows if name != other}
                for other in dict.fromkeys(
                    (DIRECT, *KEYFRAMES, NEW_TO_THE_BASE, self.opponent or DIRECT, *(setting.of.held or ())[1:])
                )
                if other in self.rows
            },
        }

    def _protocol(self) -> dict[str, Any]:
        setting, split = self.setting, SPLITS[self.setting.split]
        return {
            "paper_sha256": paper_sha256(),
            "judges_sha256": judges_sha256(),
            "exploratory": setting.split != TEST,
            "split": setting.split,
            "regime": setting.regime,
            "combinations": split.combinations,
            "world_seed": split.world_seed,
            "base": setting.base,
            "base_parameters": sum(int(p.numel()) for p in _pipeline(setting.base).unet.parameters()),
            "num_frames": setting.of.num_frames,
            "clips": len(self.real),
            "cpu": ", ".join(dict.fromkeys(name for method in self.rows for name in self._made_with(method)["cpu"])),
            "dtype": str(DTYPE).removeprefix("torch."),
        }

    def _method(self, name: str, method: Method) -> dict[str, Any]:
        num_frames, seeds = self.setting.of.num_frames, len(self.rows[name])
        costs = [cost_of(folder, self.real) for folder in self._folders(name)]
        memory = memory_of(self.setting.base, method.frames_together(num_frames))
        return {
            "title": method.title,
            "kind": method.kind,
            "seeds": seeds,
            "network_frames": method.network_frames(num_frames),
            "frames_counted": _rounded(np.mean([cost["frames"] for cost in costs])),
            "seconds_network": _rounded(np.mean([cost["network"] for cost in costs])),
            "seconds_all": _rounded(np.mean([cost["all"] for cost in costs])),
            "mebibytes_a_step": _rounded(memory / 2**20),
            "trained_parameters": trained_parameters(method, num_frames, self.setting.base),
            "made_by": self._made_by(name),
            "made_with": self._made_with(name),
            "figures": {metric.name: _as_json(metric) for metric in self._metrics(self.rows[name])},
            "displacement_error_by_kind": self._by_kind(self.rows[name]),
            "displacement_error_by_event": self._by_event(self.rows[name]),
            "judged_motion": self._judged_motion(name),
            "gain_kept": self._gain_kept(name),
            "held_out_loss": self._held_out(name),
        }

    def _folders(self, name: str) -> list[Path]:
        """Of the seeds that are judged."""
        seeds = self.setting.size.seeds[: len(self.rows[name])]
        return [Row(name, seed).folder(self.setting.made) for seed in seeds]

    def _made_by(self, name: str) -> list[dict[str, Any]]:
        """All that decided the clips of the seeds that are judged, which differs between runs that were trained."""
        setting, found = self.setting, list[dict[str, Any]]()
        for seed in setting.size.seeds[: len(self.rows[name])]:
            one = deciding_of(setting.method(name, seed), setting.of.num_frames, setting.base)
            found += [] if one in found else [one]
        return found

    def _made_with(self, name: str) -> dict[str, list[str]]:
        """Machines, libraries and protocols of all seeds."""
        found: dict[str, list[str]] = {}
        for folder in self._folders(name):
            for what, values in made_with(folder).items():
                found[what] = list(dict.fromkeys((*found.get(what, ()), *values)))
        return found

    def _gain_kept(self, name: str) -> dict[str, Any]:
        """The share of what the whole recipe wins over running directly that a row wins, by measures that are errors.

        Nothing where one of the two is not there in two seeds.
        """
        seeds = min(len(self.rows.get(each, ())) for each in (name, WHOLE, DIRECT))
        found = {}
        for measure in (measure for measure, of in PRIMARY.items() if of.better == "lower" and seeds > 1):
            own, whole, direct = (
                own_table(measure, self.rows[each][:seeds], self.floor.features) for each in (name, WHOLE, DIRECT)
            )
            found[measure] = _as_json(ratio_metric("share of the gain", "higher", direct - own, direct - whole))
        return found

    def _held_out(self, name: str) -> dict[str, dict[str, float]]:
        """Losses on held-out clips by noise level, means of the runs of the seeds that are judged; of no other row."""
        if name not in self.setting.trained:
            return {}
        seeds = self.setting.size.seeds[: len(self.rows[name])]
        weights = [self.setting.method(name, seed).weights for seed in seeds]
        found = held_out([Path(path) for path in weights if path is not None])
        return {sigma: {when: _rounded(loss) for when, loss in of.items()} for sigma, of in found.items()}

    def _metrics(self, rows: Sequence[Judged]) -> list[Metric]:
        found = [
            mean_metric(name, of.unit, of.better, own_table(name, rows, self.floor.features))
            for name, of in PRIMARY.items()
        ]
        sets = [row.truth for row in rows]
        for name in EXPLORATORY:
            of_truth = measure_named(name)
            found.append(mean_metric(name, of_truth.unit, of_truth.better, table(of_truth, sets)))
        gone, true = (np.stack(part) for part in zip(*map(ways_gone, sets), strict=True))
        found.append(ratio_metric(SHARE, "neutral", gone, true))
        found.append(mean_metric(TURNS, "frames", "lower", np.stack([one.turn_error for one in sets])))
        return found

    def _by_kind(self, rows: Sequence[Judged]) -> dict[str, float]:
        errors = mean_known(own_table(DISPLACEMENT, rows, self.floor.features), 0)
        kinds = np.array([clip.spec.motion.kind for clip in self.real])
        return {kind: _rounded(mean_known(errors[kinds == kind], 0)) for kind in MOVING_KINDS if kind in kinds}

    def _by_event(self, rows: Sequence[Judged]) -> dict[str, dict[str, float]]:
        """Of the clips with each kind of event, and with those of each duration in frames; nothing where none has."""
        errors = mean_known(own_table(DISPLACEMENT, rows, self.floor.features), 0)
        told = [clip.spec.event for clip in self.real]
        found: dict[str, dict[str, float]] = {}
        for name in ("kind", "duration"):
            values = [getattr(event, name, None) for event in told]
            groups = {value: np.array([each == value for each in values]) for value in values if value is not None}
            found[name] = {f"{value}": _rounded(mean_known(errors[group], 0)) for value, group in groups.items()}
        return found

    def _judged_motion(self, name: str) -> dict[str, Any]:
        """The share of clips whose motion is judged right, its part of the way to real clips, and McNemar's tests.

        These are of the first seed's clips: against running directly, and against the opponent.
        """
        shares = {
            other: float(np.mean([row.motion_right for row in rows]))
            for other, rows in {**self.rows, REAL: [self.floor]}.items()
        }
        found = {"share": _rounded(shares[name]), "real": _rounded(shares[REAL])}
        if name != DIRECT and DIRECT in self.rows and shares[REAL] > shares[DIRECT]:
            way = (shares[name] - shares[DIRECT]) / (shares[REAL] - shares[DIRECT])
            found |= {"way_to_real": _rounded(way), "p": self._mcnemar(name, DIRECT)}
        if self.opponent is not None and self.opponent in self.rows and name != self.opponent:
            found["p_of_opponent"] = self._mcnemar(name, self.opponent)
        return found

    def _mcnemar(self, name: str, other: str) -> float:
        first, second = (self.rows[each][0].motion_right for each in (name, other))
        return _rounded(mcnemar(first, second).p_value)

    def _against(self, name: str, other: str) -> dict[str, Any] | None:
        """None where the two have fewer than two seeds in common, which tell nothing of a third."""
        seeds = min(len(self.rows[name]), len(self.rows[other]))
        if seeds < 2:
            return None
        sides = self.rows[name][:seeds], self.rows[other][:seeds]
        try:
            compared = compare({measure: paired(measure, *sides, self.floor.features) for measure in PRIMARY})
        except ValueError as error:
            folders = " or ".join(f"{self.setting.made}/{each}_*" for each in (name, other))
            raise ValueError(
                f"{name} cannot be compared with {other}, as {error}: give more --clips, or take {folders} away, which "
                "have nothing to measure."
            ) from error
        return {
            "seeds": seeds,
            "overall": overall(compared),
            "measures": {measure: _compared_as_json(one) for measure, one in compared.items()},
        }

    def _mean(self, measure: str, name: str) -> float:
        return mean_metric(measure, "", "lower", own_table(measure, self.rows[name], self.floor.features)).value


@lru_cache
def memory_of(base: str, frames: int) -> int:
    """Bytes of the tensors of a step over so many frames of one clip, predicted; 0 for none."""
    if frames == 0:
        return 0
    return int(_pipeline(base).memory_report(num_frames=frames).denoising)


@lru_cache(maxsize=1)
def _pipeline(base: str) -> Any:
    return ExVideoPipeline.from_pretrained(base, torch_dtype=DTYPE)


def trained_parameters(method: Method, num_frames: int, base: str) -> int:
    """The numbers that a method has trained: an extension's, or all of the network's; 0 of one that trains none."""
    if method.kind not in (POST_TUNED, CONTROL):
        return 0
    pipe: Any = ExVideoPipeline.from_pretrained(base, torch_dtype=DTYPE)
    method.prepare(pipe, num_frames)
    if pipe.extension is None:
        return sum(int(p.numel()) for p in pipe.unet.parameters())
    held = set(pipe.extension.dead_names())
    return sum(int(p.numel()) for name, p in pipe.extension.named_parameters().items() if name not in held)


def _whole_folders(setting: Setting, name: str, clips: int) -> list[Path]:
    """Of the first seeds that have all clips, made by what the setting has now."""
    folders = []
    for seed in setting.size.seeds:
        folder = Row(name, seed).folder(setting.made)
        if len(list(folder.glob("*.mp4"))) < clips:
            break
        check(folder, deciding_of(setting.method(name, seed), setting.of.num_frames, setting.base))
        folders.append(folder)
    return folders


def _as_json(metric: Metric) -> dict[str, Any]:
    return {"value": _rounded(metric.value), "interval": _bounds(metric.interval), "clips": metric.n}


def _compared_as_json(one: Compared) -> dict[str, Any]:
    return {
        "difference": _rounded(one.difference),
        "difference_interval": _bounds(one.difference_interval),
        "ratio": _rounded(one.ratio),
        "ratio_interval": _bounds(one.ratio_interval),
        "clips": one.clips,
        "p": _rounded(one.p),
        "corrected": _rounded(one.corrected),
        "verdict": one.verdict,
        "within_margin": one.within_margin,
    }


def _bounds(interval: Interval | None) -> list[float]:
    return [] if interval is None else [_rounded(interval.low), _rounded(interval.high)]


def _rounded(number: Any) -> float:
    return float(f"{float(number):.4g}")
