import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from exvideo_eval.protocol import protocol_hash
from exvideo_eval.result_parts import ClipValues, Curve, Data, Interval, Media, Metric, Significance, Skipped
from exvideo_eval.results import Result


@pytest.fixture
def result() -> Result:
    return Result.measured_here(
        kind="kernel",
        name="temporal attention, forward",
        protocol={"frames": 25, "dtype": "bf16", "warmup": 3},
        metrics=(
            Metric("time", 0.101, "ms", "lower", n=50, interval=Interval(0.1, 0.11, 0.9, "quantiles")),
            Metric("share of floor", 0.86, "ratio", "higher"),
            Metric(
                "motion energy: ratio to real",
                0.9,
                "ratio",
                "neutral",
                quantity="motion energy",
                statistic="ratio to real",
                contrast="difference to baseline",
                significance=Significance(0.01, "swap"),
            ),
        ),
        data=(
            Data("input", "random normal q, k, v", "memory", 3),
            Data("real", "clips", "a", 2, Media(("h264",), ("yuv420p",), ("64x64",), (8.0,), "cover")),
        ),
        clip_values=(ClipValues("time", None, "value", ("a.mp4", "a.mp4#1"), ("a", "a"), (0.1, 0.102)),),
        curves=(Curve("time", "ms", "frames", (25, 64), (0.1, 0.25), "lower", "ours"),),
        notes=("clock not fixed",),
        skipped=(Skipped("a.mp4", "is truncated"),),
    )


def test_a_result_survives_the_file(result: Result, tmp_path: Path) -> None:
    result.save(tmp_path / "sub" / "result.json")
    assert Result.load(tmp_path / "sub" / "result.json") == result
    assert [path.name for path in (tmp_path / "sub").iterdir()] == ["result.json"]


def test_a_file_that_one_measure_left_out_is_told_from_one_that_all_did(result: Result, tmp_path: Path) -> None:
    kept = replace(result, skipped=(Skipped("a.mp4", "is truncated"), Skipped("b.mp4", "is short", "jedi")))
    kept.save(tmp_path / "result.json")
    assert Result.load(tmp_path / "result.json") == kept
    content = json.loads((tmp_path / "result.json").read_text())
    for item in content["skipped"]:
        del item["measure"]  # as earlier versions wrote
    (tmp_path / "result.json").write_text(json.dumps(content))
    assert [item.measure for item in Result.load(tmp_path / "result.json").skipped] == ["", ""]


def test_a_result_says_where_it_was_measured(result: Result) -> None:
    assert {"cpu", "cores", "memory_gib", "gpu", "os"} == set(result.machine)
    assert {"python", "torch", "exvideo-eval"} <= set(result.software)
    assert result.created.endswith("Z")


def test_the_hash_tells_protocols_apart_and_ignores_order() -> None:
    assert protocol_hash({"a": 1, "b": [2]}) == protocol_hash({"b": [2], "a": 1})
    assert protocol_hash({"a": 1}) != protocol_hash({"a": 2})


def edit(content: dict[str, Any], *path: Any, value: Any = None, drop: bool = False) -> None:
    for step in path[:-1]:
        content = content[step]
    if drop:
        del content[path[-1]]
    else:
        content[path[-1]] = value


@pytest.mark.parametrize(
    ("path", "change", "sentence"),
    [
        (("schema",), {"drop": True}, "it has no 'schema' field"),
        (("schema",), {"value": "exvideo.result/3"}, r"schema is 'exvideo.result/3'"),
        (("created",), {"drop": True}, "result lacks the field 'created'"),
        (("extra",), {"value": 1}, "result has the unknown field 'extra'"),
        (("metrics", 0, "unit"), {"drop": True}, r"result\.metrics\[0\] lacks the field 'unit'"),
        (("metrics", 0, "value"), {"value": "fast"}, r"metrics\[0\]\.value is 'fast', not a number"),
        (("metrics", 0, "value"), {"value": True}, r"metrics\[0\]\.value is True, not a number"),
        (("metrics", 0, "value"), {"value": None}, r"metrics\[0\]\.value is None, not a number"),
        (("metrics", 0, "better"), {"value": "up"}, "better='up'"),
        (("metrics", 0, "interval", "low"), {"value": 9.0}, "is not low <= high"),
        (("metrics", 0), {"value": [1]}, r"metrics\[0\] is \[1\], not an object"),
        (("curves", 0, "y"), {"value": [1.0]}, "give as many"),
        (("curves", 0, "y", 0), {"value": "x"}, r"curves\[0\]\.y\[0\] is 'x', not a number"),
        (("metrics", 0, "n"), {"value": 1.5}, r"metrics\[0\]\.n is 1\.5, not a whole number"),
        (("clip_values", 0, "kind"), {"value": "mean"}, "write value or pseudo-value"),
        (("clip_values", 0, "values"), {"value": [0.1]}, r"\(2, 2, 1\) clips, clusters and values: give as many"),
        (("metrics", 2, "significance", "p_value"), {"value": 1.5}, "p value is 1.5"),
        (("data", 1, "media", "fps", 0), {"value": "8"}, r"data\[1\]\.media\.fps\[0\] is '8', not a number"),
        (("software", "python"), {"value": 3}, r"result\.software\.python is 3, not text"),
        (("machine",), {"value": []}, r"result\.machine is \[\], not an object"),
        (("notes", 0), {"value": 3}, r"notes\[0\] is 3, not text"),
        (("protocol", "frames"), {"value": 26}, "protocol_sha256"),
    ],
)
def test_loading_refuses_what_is_not_the_schema(
    result: Result, tmp_path: Path, path: tuple[Any, ...], change: dict[str, Any], sentence: str
) -> None:
    file = tmp_path / "result.json"
    result.save(file)
    content = json.loads(file.read_text())
    edit(content, *path, **change)
    file.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=sentence) as error:
        Result.load(file)
    assert str(file) in str(error.value)


NEW_FIELDS = {
    "metrics": ("quantity", "statistic", "of", "contrast", "significance"),
    "data": ("media",),
}


def as_schema_1(result: Result, path: Path, *names: str) -> None:
    """Writes a result as the version before did, its metrics under these names."""
    result.save(path)
    content = json.loads(path.read_text())
    content["schema"] = "exvideo.result/1"
    del content["clip_values"]
    for part, fields in NEW_FIELDS.items():
        for item in content[part]:
            for field in fields:
                del item[field]
    for metric, name in zip(content["metrics"], names, strict=True):
        metric["name"] = name
    path.write_text(json.dumps(content))


def test_results_of_the_schema_before_are_read_and_their_names_taken_apart(result: Result, tmp_path: Path) -> None:
    names = ("motion energy, ratio to real", "judged shape right, real clips", "velocity error, less that of base")
    as_schema_1(result, tmp_path / "a.json", *names)
    found = Result.load(tmp_path / "a.json")
    assert found.schema == "exvideo.result/2"
    assert [metric.name for metric in found.metrics] == list(names)
    assert [(metric.quantity, metric.statistic, metric.of, metric.contrast) for metric in found.metrics] == [
        ("motion energy", "ratio to real", "", ""),
        ("judged shape right", "value", "real", ""),
        ("velocity error", "value", "", "difference to base"),
    ]
    assert [metric.value for metric in found.metrics] == [metric.value for metric in result.metrics]
    assert found.clip_values == ()
    assert all(data.media is None for data in found.data)


def test_a_result_of_the_schema_before_that_is_damaged_is_refused(result: Result, tmp_path: Path) -> None:
    as_schema_1(result, tmp_path / "a.json", "a", "b", "c")
    content = json.loads((tmp_path / "a.json").read_text())
    for damage in ({"metrics": [1]}, {"metrics": 3}, {"metrics": [{**content["metrics"][0], "significance": None}]}):
        (tmp_path / "a.json").write_text(json.dumps({**content, **damage}))
        with pytest.raises(ValueError, match=r"a\.json is not a result that this version reads: result\.metrics"):
            Result.load(tmp_path / "a.json")


@pytest.mark.parametrize(("text", "sentence"), [("{", "it is not JSON"), ("[]", "it has no 'schema' field")])
def test_loading_refuses_what_is_no_result(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ValueError, match=rf"a\.json .*{sentence}"):
        Result.load(tmp_path / "a.json")


def test_loading_an_absent_file_names_it(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"absent\.json cannot be read: No such file"):
        Result.load(tmp_path / "absent.json")


def test_numbers_that_json_cannot_carry_are_refused(result: Result, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Metric 'time' is nan: leave it out"):
        replace(result.metrics[0], value=float("nan"))
    with pytest.raises(ValueError, match="must hold plain JSON values"):
        protocol_hash({"path": Path("x")})
    with pytest.raises(ValueError, match="was not written"):
        replace(result, machine={"cpu": float("inf")}).save(tmp_path / "a.json")
    with pytest.raises(ValueError, match="was not written"):
        replace(result, notes=("half of a pair: \ud800",)).save(tmp_path / "a.json")
    assert not list(tmp_path.iterdir())


def test_a_metric_may_occur_once(result: Result) -> None:
    with pytest.raises(ValueError, match=r"\['time'\] occur twice"):
        replace(result, metrics=(result.metrics[0], result.metrics[0]))
