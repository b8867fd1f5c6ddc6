import pytest
from exvideo_infer.ranges import RANGES


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("guidance_max", "inf"),
        ("guidance_min", "-inf"),
        ("fps", "nan"),
        ("fps", "1e9"),
        ("motion_bucket_id", "1e9"),
        ("seed", str(2**64)),
        ("seed", "-1"),
        ("num_frames", "8.0"),
        ("num_frames", "0"),
        ("seconds", "inf"),
        ("steps", "many"),
    ],
)
def test_numbers_out_of_range_are_refused(name: str, text: str) -> None:
    with pytest.raises(ValueError, match="is not a"):
        RANGES[name].parse(text)


def test_the_ends_of_a_range_are_taken() -> None:
    assert RANGES["seed"].parse(str(2**64 - 1)) == 2**64 - 1
    assert RANGES["motion_bucket_id"].parse("255") == 255
    assert RANGES["fps"].parse("1") == 1
    assert True not in RANGES["seed"]
