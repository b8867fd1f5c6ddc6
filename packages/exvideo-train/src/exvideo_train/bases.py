"""The base of a run: loaded, or made in the shape that the configuration gives, and checked against it."""

from pathlib import Path
from typing import Any, cast

from exvideo_blocks import check_extends, family_of, read_safetensors
from exvideo_infer import AugmentsFirstFrame, Base, DecidesObjective, MixesExperts, load_base, make_base, save_base

from exvideo_train.config import TrainConfig
from exvideo_train.errors import UserError
from exvideo_train.step import Task

BASE = "base"  # folder of a base that was made, in the run's output
# Frames that a new base is made for: as Stable Video Diffusion, and of a shorter clip the half.
NEW_BASE_FRAMES = 25


def open_base(config: TrainConfig, *, draw_weights: bool = True) -> Base:
    """The base of a run.

    Args:
        config: the run.
        draw_weights: False leaves the weights of a new base, or of one that can be had so, on the meta device, for a
            look at its shapes.

    Raises:
        BaseModelError: it cannot be loaded.
        UserError: it has another shape than `model` says, or none of that shape can be made.
    """
    if config.base is None:
        return _new_base(config, draw_weights)
    options: dict[str, Any] = {"variant": config.base_variant, "pipeline": config.base_pipeline}
    given = {name: value for name, value in options.items() if value is not None}
    base: Base = load_base(config.base, weights=draw_weights, **given)
    base = _expert_of(config, base)
    _check_shape(config, base)
    return base


def _expert_of(config: TrainConfig, base: Base) -> Base:
    experts = base.experts if isinstance(base, MixesExperts) else ()
    name = config.base_expert
    if (name is None and not experts) or name in experts:
        return base if name is None else cast(MixesExperts, base).of_expert(name)
    if experts:
        raise UserError(
            f"base_expert is {name}, and {config.base} is a mixture of {' and '.join(experts)}: choose one, and train "
            "the other in a run of its own."
        )
    raise UserError(f"base_expert is {name}, and {config.base} is no mixture of experts: leave it out.")


def _new_base(config: TrainConfig, draw_weights: bool) -> Any:
    assert config.model is not None
    model, frames = config.model, config.extension.base_frames
    if frames is None:
        frames = min(NEW_BASE_FRAMES, config.extension.num_frames // 2)
    try:
        width, layers = model.hidden_dim or 0, model.num_layers or 0
        return make_base(width, layers, frames, config.seed, draw_weights=draw_weights)
    except ValueError as error:
        raise UserError(f"model: {error}") from error


def _check_shape(config: TrainConfig, base: Base) -> None:
    if config.model is None:
        return
    widths = getattr(base.network.config, "block_out_channels", None)
    found = {
        "hidden_dim": None if widths is None else max(widths),
        "num_layers": len(family_of(base.network).find_sites(base.network)),
    }
    for name, value in found.items():
        wanted = getattr(config.model, name)
        if wanted is not None and wanted != value:
            raise UserError(
                f"model.{name} is {wanted}, and the base {config.base} has {value}: leave it out, or leave out base to "
                "make a new one of that shape."
            )


def completed(config: TrainConfig, base: Base) -> TrainConfig:
    """The configuration with what the base decides where it is left open: the clips' size.

    Raises:
        UserError: the base does not say it, or cannot be run at a size that is given; or it is told no first frame that
            noise could be put on.
    """
    asked = {
        "noise_augmentation.variants": config.noise_augmentation.variants,
        "time_noise.maximum": config.time_noise.maximum,
    }
    for key, value in asked.items():
        if value and not isinstance(base, AugmentsFirstFrame):
            raise UserError(
                f"{key}={value} puts noise on the first frame, and the network of {config.base} is told none: set it "
                "to 0."
            )
    data = config.data
    if data.size is None and data.sizes is None:
        if base.default_size is None:
            raise UserError(f"data.size is missing, and {config.base} does not say its own: give height and width.")
        data = data.model_copy(update={"size": base.default_size})
    key = "data.size" if data.sizes is None else "data.sizes"
    for height, width in data.all_sizes:
        if height % base.size_multiple or width % base.size_multiple:
            raise UserError(
                f"{key}: height x width is {height}x{width}: give positive multiples of {base.size_multiple}."
            )
    return config.model_copy(update={"data": data})


def task_of(config: TrainConfig, base: Base) -> Task:
    """The way that the base's network is asked and judged.

    Raises:
        UserError: it cannot be extended as the configuration says, has no clips of a length that is given, or is not
            asked at a noise level that is to be validated.
    """
    try:
        check_extends(base.network, config.extension.mounted)
        family = family_of(base.network)
        own = base.objective_settings if isinstance(base, DecidesObjective) else {}
        task = Task(family, family.objective(base.scheduler, **config.objective_settings, **own))
    except (TypeError, ValueError) as error:
        raise UserError(f"{config.base or 'The new base'} cannot be extended as asked: {error}") from error
    if config.engine.gradient_checkpointing == "temporal" and not getattr(family, "CHECKPOINTS_TIME", True):
        raise UserError(
            f"engine.gradient_checkpointing is temporal, and {family.NAME} models have no temporal blocks apart from "
            "the rest: set it to all or none."
        )
    try:
        for length in config.clip_lengths:
            family.rows(length)
    except ValueError as error:
        raise UserError(f"data.lengths: {error}") from error
    try:
        for sigma in () if config.validation is None else config.validation.sigmas:
            task.objective.level_at(sigma)
    except ValueError as error:
        raise UserError(f"validation.sigmas: {error}") from error
    return task


def write_new_base(config: TrainConfig, checkpoint: Path, extension: Path) -> None:
    """Writes the base that was made for a run, with the EMA of its trained weights, to `BASE` in the output folder.

    Args:
        checkpoint: folder of the run's last one.
        extension: the run's file, which has the temporal sites.
    """
    base = _new_base(config, draw_weights=True)
    apart, _ = read_safetensors(extension)
    weights = base.network.state_dict()
    for part in sorted(checkpoint.glob("part-*.safetensors")):
        for name, value in read_safetensors(part)[0].items():
            kind, _, parameter = name.partition("/")
            if kind == "ema" and parameter not in apart:
                weights[parameter] = value
    base.network.load_state_dict(weights)
    save_base(base, config.output / BASE)
