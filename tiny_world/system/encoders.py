"""Text and image encoders: transformers' CLIP towers of the world's size, and a word-level tokenizer.

Two things are learnt together: a first frame and its caption belong together, among those of the batch (CLIP, arXiv
2103.00020), and a caption can be told back from its own vector. The second is asked of small heads that are not kept.
Without it nothing would make the text encoder tell "left" from "right", which no first frame shows, nor "circle" from
"square", which so coarse an image encoder hardly sees: what a text encoder leaves out, no words can bring about later.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tiny_world.system.batches import caption_of, part_of_batch, to_pixels
from tiny_world.system.training_loop import Schedule, train
from tiny_world.world.captions import vocabulary
from tiny_world.world.render import render
from tiny_world.world.sampler import MOTIONS, sample_spec
from tiny_world.world.spec import COLOURS, PLACES, SHAPES, SIZES, SPEEDS, ClipSpec

WIDTH = 64  # of both towers, of the shared space and of the networks' cross-attention
TOKENS = 28  # the longest caption has 26 words; a start and an end
IMAGE_SIDE = 224  # what every Stable Video Diffusion pipeline resizes to
SCHEDULE = Schedule(steps=2600, batch_size=96, learning_rate=1e-3, checkpoint_every=250)
IMAGE_UNTIL = 640  # then the image encoder stays as it is, and the words go on (arXiv 2111.07991)
ALONE = "alone"
TOLD: dict[str, tuple[str, ...]] = {  # of a caption; brief ones leave some of it open
    "shape": SHAPES,
    "colour": tuple(COLOURS),
    "other shape": (ALONE, *SHAPES),
    "other colour": (ALONE, *COLOURS),
    "size": tuple(SIZES),
    "place": PLACES,
    "motion": tuple(f"{kind} {direction}" for kind, direction in MOTIONS),
    "speed": SPEEDS,
}
PAD, UNKNOWN, START, END = "<pad>", "<unk>", "<bos>", "<eos>"


class Encoders(nn.Module):
    """Both towers, the scale of their likeness, and the heads that tell a caption back."""

    def __init__(self) -> None:
        super().__init__()
        self.text = build_text_encoder()
        self.image = build_image_encoder()
        self.told = nn.ModuleDict({name: nn.Linear(WIDTH, len(classes)) for name, classes in TOLD.items()})
        self.log_scale = nn.Parameter(torch.tensor(2.3))


def build_tokenizer() -> Any:
    """Words to numbers; whatever is not a letter parts words; unknown ones have a number of their own."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = {word: number for number, word in enumerate((PAD, UNKNOWN, START, END, *vocabulary()))}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("[^a-z]+"), behavior="removed")
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}", special_tokens=[(START, words[START]), (END, words[END])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        unk_token=UNKNOWN,
        bos_token=START,
        eos_token=END,
        model_max_length=TOKENS,
    )


def build_text_encoder() -> Any:
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection

    return CLIPTextModelWithProjection(
        CLIPTextConfig(
            vocab_size=4 + len(vocabulary()),
            hidden_size=WIDTH,
            intermediate_size=2 * WIDTH,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=TOKENS,
            projection_dim=WIDTH,
            pad_token_id=0,
            bos_token_id=2,
            eos_token_id=3,
        )
    )


def build_image_encoder() -> Any:
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    return CLIPVisionModelWithProjection(
        CLIPVisionConfig(
            hidden_size=WIDTH,
            intermediate_size=2 * WIDTH,
            num_hidden_layers=2,
            num_attention_heads=4,
            image_size=IMAGE_SIDE,
            patch_size=28,
            projection_dim=WIDTH,
        )
    )


def tokens_of(tokenizer: Any, captions: Sequence[str]) -> Tensor:
    """Token numbers (captions, TOKENS), filled up."""
    given: Tensor = tokenizer(
        list(captions), padding="max_length", max_length=TOKENS, truncation=True, return_tensors="pt"
    ).input_ids
    return given


def told_of(spec: ClipSpec) -> tuple[int, ...]:
    """The class of each of TOLD, in their order."""
    subject, motion = spec.subjects[0], spec.motion
    other = spec.subjects[1] if len(spec.subjects) == 2 else None
    names = (
        subject.shape,
        subject.colour,
        other.shape if other else ALONE,
        other.colour if other else ALONE,
        subject.size,
        spec.background.place,
        f"{motion.kind} {motion.direction}",
        motion.speed,
    )
    return tuple(classes.index(name) for classes, name in zip(TOLD.values(), names, strict=True))


def train_encoders(folder: Path, seed: int, device: torch.device) -> Encoders:
    from transformers import CLIPImageProcessor

    torch.manual_seed(seed)
    encoders, tokenizer = Encoders().to(device), build_tokenizer()
    processor = CLIPImageProcessor()
    mean, std = (torch.tensor(values)[:, None, None] for values in (processor.image_mean, processor.image_std))

    def part_of_step(step: int, part: int, parts: int) -> Callable[[], Tensor]:
        specs = [sample_spec(0, index) for index in part_of_batch(step, part, parts, SCHEDULE.batch_size)]
        small = torch.stack([to_pixels(render(spec, 1)[0]) for spec in specs])
        tokens = tokens_of(tokenizer, [caption_of(spec) for spec in specs]).to(device)
        truth = dict(zip(TOLD, torch.tensor([told_of(spec) for spec in specs]).T.to(device), strict=True))

        def loss() -> Tensor:
            # To within rounding what the pipeline's own resizing does to a picture that is enlarged.
            large = F.interpolate(small.to(device), size=(IMAGE_SIDE, IMAGE_SIDE), mode="bicubic", align_corners=True)
            with torch.set_grad_enabled(step < IMAGE_UNTIL):
                image = encoders.image((large / 2 + 0.5 - mean.to(device)) / std.to(device)).image_embeds
            text = encoders.text(tokens).text_embeds
            scale = encoders.log_scale.clamp(max=4.6).exp()
            likeness = scale * F.normalize(image, dim=-1) @ F.normalize(text, dim=-1).T
            own = torch.arange(len(likeness), device=device)
            contrast = (F.cross_entropy(likeness, own) + F.cross_entropy(likeness.T, own)) / 2
            told = [F.cross_entropy(encoders.told[name](text), classes) for name, classes in truth.items()]
            return contrast + torch.stack(told).sum()

        return loss

    train(encoders, part_of_step, SCHEDULE, folder)
    return encoders
