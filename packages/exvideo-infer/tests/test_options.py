"""Options that the commands share: refused in one sentence, and told apart from defaults."""

import pytest
from exvideo_infer.jobs.model import ModelChoice
from exvideo_infer.options import (
    BAD_INPUT,
    Parser,
    add_clip_options,
    add_file_options,
    add_model_options,
    given_options,
    model_choice,
)


@pytest.fixture
def parser() -> Parser:
    made = Parser(prog="tool")
    for add in (add_model_options, add_file_options, add_clip_options):
        add(made)
    return made


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--steps", "0"], "--steps"),
        (["--num-frames", "many"], "--num-frames"),
        (["--fps", "nan"], "--fps"),
        (["--dtype", "int8"], "--dtype"),
        (["--unknown"], "unrecognized"),
    ],
)
def test_a_refusal_is_one_sentence(
    parser: Parser, arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parser.parse_args(arguments)
    assert ended.value.code == BAD_INPUT
    told = capsys.readouterr().err
    assert told.startswith("tool: ")
    assert told.count("\n") == 1
    assert sentence in told
    assert told.endswith("see tool --help.\n")


def test_what_was_given_is_known_though_it_is_the_default(parser: Parser) -> None:
    assert given_options(parser, []) == set()
    assert given_options(parser, ["--seed", "0", "--device", "auto", "--unload-unet"]) == {
        "seed",
        "device",
        "unload_unet",
    }


def test_the_model_is_chosen_by_its_options_alone(parser: Parser) -> None:
    assert model_choice(parser.parse_args([])) == ModelChoice(
        **{name: parser.get_default(name) for name in ModelChoice.__dataclass_fields__}
    )
    chosen = model_choice(parser.parse_args(["--checkpoint", "e.safetensors", "--steps", "3", "--compile-blocks"]))
    assert (chosen.base, chosen.extension, chosen.compile_blocks) == ("embedded", "e.safetensors", True)
