from pathlib import Path

import pytest
from exvideo_infer.app.order import NUMBERS, jobs_of
from exvideo_infer.jobs.job import Job

OPEN = [""] * len(NUMBERS)


def test_fields_that_are_empty_are_left_to_the_model() -> None:
    numbers = dict.fromkeys(NUMBERS, "") | {"seconds": " 2.5 ", "steps": "4"}
    assert jobs_of(" a ", "x.png", " 7 ", list(numbers.values()), compare=False) == [
        Job("a", Path("x.png"), seed=7, seconds=2.5, steps=4)
    ]


def test_seeds_are_drawn_and_a_pair_has_one() -> None:
    seeds = {jobs_of("a", None, "", OPEN, compare=False)[0].seed for _ in range(5)}
    assert len(seeds) == 5
    plain, extended = jobs_of("a", None, "", OPEN, compare=True)
    assert (plain.extended, extended.extended, plain.seed) == (False, True, extended.seed)


@pytest.mark.parametrize(
    ("prompt", "seed", "steps", "sentence"),
    [
        (" ", "", "", "neither a prompt nor a picture"),
        ("a", "many", "", "seed: 'many' is not a whole number from 0"),
        ("a", "", "0", "steps: '0' is not a whole number of at least 1; leave it empty"),
    ],
)
def test_wrong_fields_are_named(prompt: str, seed: str, steps: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        jobs_of(prompt, None, seed, list((dict.fromkeys(NUMBERS, "") | {"steps": steps}).values()), compare=False)
