"""The command's published measures, end to end: from files and a pinned network to a report."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from exvideo_eval.cli import main
from exvideo_eval.measure_options import DIALECTS, OTHERS
from exvideo_eval.protocols.catalogue import PROTOCOLS
from exvideo_eval.results import Result
from torch import Tensor, nn

Run = Callable[..., tuple[int, str]]


class Levels(nn.Module):
    """Four numbers a clip or picture, called in any manner."""

    def forward(self, x: Tensor, rescale: bool = False, resize: bool = False, return_features: bool = False) -> Tensor:
        y = x.float().flatten(1)
        return torch.stack([y.mean(dim=1), y.std(dim=1), y.amax(dim=1), y.amin(dim=1)], dim=1)


@pytest.fixture
def network(tmp_path: Path) -> tuple[str, str]:
    path = tmp_path / "levels.pt"
    torch.jit.script(Levels()).save(str(path))
    return str(path), hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def run(clip_folders: Path, network: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> Run:
    """run(*options): the command on the small folders; its status, and what it printed last."""

    def command(*options: str) -> tuple[int, str]:
        folders = ["--real", str(clip_folders / "real"), "--generated", str(clip_folders / "generated")]
        fast = [
            "--features",
            "random3d",
            "--window",
            "4",
            "--resamples",
            "10",
            "--output",
            str(clip_folders / "report"),
        ]
        status = main([*folders, *fast, *options])
        said = capsys.readouterr()
        return status, said.out if status == 0 else said.err.strip().splitlines()[-1]

    return command


def test_the_help_names_every_protocol() -> None:
    assert [*(f"{kind}:{name}" for kind in ("fvd", "kvd") for name in DIALECTS), *OTHERS] == list(PROTOCOLS)


def test_several_measures_of_one_run_stand_in_result_and_report_with_their_protocols(
    run: Run, clip_folders: Path, network: tuple[str, str]
) -> None:
    place, sha256 = network
    options = ["--network", f"i3d={place}", "--network-sha256", f"i3d={sha256}", "--surrogate", "i3d=levels"]
    baseline = ["--baseline", str(clip_folders / "frozen"), "--cache", str(clip_folders / "cache")]
    names = ("fvd:common-metrics", "fvd:tf-original")
    measures = [part for name in names for part in ("--measure", name)]
    status, printed = run(*measures, *options, *baseline, "--allow-fewer")
    assert status == 0
    name = "Fréchet distance, levels features, common-metrics preprocessing"
    assert f"generated: {name} " in printed
    result = Result.load(clip_folders / "report" / "report.json")
    record = result.protocol["measures"]
    assert list(record) == list(names)
    assert record["fvd:common-metrics"]["protocol"] == PROTOCOLS["fvd:common-metrics"].to_dict()
    assert record["fvd:common-metrics"]["network"] == {"name": "levels", "sha256": sha256, "is_own": False}
    metric = result.metric(name)
    assert metric is not None
    assert (metric.features, metric.n) == ("levels", 4)
    assert Result.load(clip_folders / "report" / "baseline.json").protocol_sha256 == result.protocol_sha256
    text = (clip_folders / "report" / "report.md").read_text()
    assert "## Published measures" in text
    assert f"| {name} (squared feature units) | lower |" in text
    assert "of 4 clips" in text.partition("tf-original preprocessing")[2]
    contrast = Result.load(clip_folders / "report" / "against_baseline.json")
    difference = contrast.metric(f"{name}, difference to baseline")
    assert difference is not None
    assert difference.interval is not None
    compared = text.partition("## Generated clips against the baseline's")[2]
    assert f"| {name} (squared feature units) | lower |" in compared
    assert contrast.protocol["measures"] == record
    again = run(*measures, *options, *baseline, "--allow-fewer")
    assert again == (status, printed)  # from the cache


def test_another_network_changes_the_results_hash(run: Run, clip_folders: Path, network: tuple[str, str]) -> None:
    place, sha256 = network
    hashes = set()
    for name in ("levels", "other"):
        run("--measure", "fvd:common-metrics", "--network", place, "--network-sha256", sha256, "--surrogate", name)
        hashes.add(Result.load(clip_folders / "report" / "report.json").protocol_sha256)
    assert len(hashes) == 2


def test_files_that_one_protocol_leaves_out_are_counted_and_shown_by_all_else(
    run: Run, clip_folders: Path, network: tuple[str, str],
    write_video: Callable[..., Path], moving_clip: Callable[..., np.ndarray],
) -> None:  # fmt: skip
    for folder, seed in (("real", 5), ("real", 6), ("generated", 7), ("generated", 8)):
        write_video(clip_folders / folder / f"long{seed % 2}.mp4", moving_clip(seed, num_frames=20))
    (clip_folders / "generated" / "bad.mp4").write_bytes(b"no video")
    place, sha256 = network
    options = ["--network", place, "--network-sha256", sha256, "--surrogate", "levels", "--allow-fewer"]
    measures = ["--measure", "fvd:fastvideo", "--measure", "fvd:stylegan-v"]
    status, said = run(*measures, *options, "--frames", "8", "--size", "32x32", "--resamples", "0")
    assert status == 0, said
    result = Result.load(clip_folders / "report" / "report.json")
    assert [data.count for data in result.data] == [8, 6]
    of_all = [item for item in result.skipped if not item.measure]
    assert [Path(item.file).name for item in of_all] == ["bad.mp4"]
    short = [(item.file, item.measure) for item in result.skipped if item.measure]
    assert short == [
        (str(clip_folders / folder / f"{number}.mp4"), measure)
        for measure in ("fvd:fastvideo", "fvd:stylegan-v")
        for folder in ("real", "generated")
        for number in range(4)
    ]
    text = (clip_folders / "report" / "report.md").read_text()
    assert "generated/0.mp4`, by fvd:fastvideo, fvd:stylegan-v alone: has 12 frames, fewer than the 16 that" in text
    assert (clip_folders / "report" / "report.html").read_text().count("data:video/mp4;base64,") == 6


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--measure", "fvd"], "No measure is called 'fvd': choose one of fvd:tf-original, "),
        (["--measure", "fvd:fastvideo"], "is not given: get it from hf://flateon/FVD-I3D-torchscript/"),
        (
            ["--measure", "fvd:fastvideo", "--network", "PLACE"],
            "you trust it to be from, give --network-sha256 i3d=",
        ),
        (["--measure", "fvd:fastvideo", "--network", "PLACE", "--network-sha256", "SHA"], "is not I3D (Kinetics-400"),
        (
            ["--measure", "jedi", "--network", "PLACE"],
            "write vjepa-h= before it, or another of vjepa-h",
        ),
        (["--measure", "fid", "--network", "a", "--network", "b"], "--network is given twice for 'inception-v3'"),
        (["--network", "PLACE"], "add --measure fvd:stylegan-v, or another."),
        (
            ["--measure", "fvd:fastvideo", "--network", "PLACE", "--network-sha256", "SHA", "--surrogate", "levels"],
            "has 0: of its 4 files 0 can be used, 4 cannot",
        ),
        (["--measure", "fid", "--batch-size", "0"], "batch_size is 0: give at least 1."),
    ],
)
def test_what_cannot_be_measured_is_one_sentence_and_nothing_is_written(
    run: Run,
    clip_folders: Path,
    network: tuple[str, str],
    options: list[str],
    sentence: str,
) -> None:
    given = dict(zip(("PLACE", "SHA"), network, strict=True))
    status, said = run(*(given.get(option, option) for option in options))
    assert status == 2
    assert said.startswith("exvideo-eval: ")
    assert sentence in said
    assert not (clip_folders / "report").exists()
