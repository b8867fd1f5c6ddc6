"""Captions of clips: a small grammar with paraphrases over a closed vocabulary.

A full caption tells everything that the first frame does not show of the future. A brief one is what somebody in a
hurry types; it leaves size, speed and place open, and the direction where the kind of motion has a name without it.
Which words are chosen is a function of `ClipSpec.paraphrase` alone.
"""

import re
from collections.abc import Mapping, Sequence

from tiny_world.world.event_captions import BRIEF_EVENT_TEMPLATES, EVENT_TEMPLATES
from tiny_world.world.spec import ClipSpec, Subject

_Templates = Mapping[str, tuple[str, ...]]

SHAPE_WORDS = {
    "circle": ("circle", "disc"),
    "square": ("square", "box"),
    "triangle": ("triangle",),
    "cross": ("cross", "plus"),
    "ring": ("ring", "hoop"),
}
COLOUR_WORDS = {
    "red": ("red",),
    "yellow": ("yellow",),
    "green": ("green",),
    "cyan": ("cyan", "turquoise"),
    "blue": ("blue",),
    "pink": ("pink", "magenta"),
}
SIZE_WORDS = {"small": ("small", "little"), "large": ("large", "big")}
SPEED_WORDS = {"slow": ("slowly", "gently"), "fast": ("quickly", "rapidly")}
DIRECTION_WORDS = {"counterclockwise": ("counterclockwise", "anticlockwise")}  # the others are their own words
PLACE_PHRASES = {
    "black": ("on a black background", "against black", "in front of a black background"),
    "grey": ("on a grey background", "against grey", "in front of a gray background"),
    "brown": ("on a brown background", "against brown", "in front of a brown background"),
    "navy": ("on a navy background", "against navy", "in front of a navy background"),
    "street": ("on a street", "in the street", "in front of a city street"),
    "meadow": ("on a meadow", "in the grass", "in front of a meadow"),
}

# {subject} is "a small red circle", {adverb} the speed, {to} a second colour, {other} the subject on the right.
TEMPLATES: dict[str, tuple[str, ...]] = {
    "crosses": (
        "{subject} moves {direction} {adverb} and comes in again on the other side",
        "{subject} {adverb} travels {direction} out of the picture and enters on the opposite side",
        "{subject} glides {direction} {adverb} through one edge and in through the other",
        "{subject} {adverb} drifts {direction} and reappears at the opposite edge",
    ),
    "bounces": (
        "{subject} moves {direction} {adverb} and bounces",
        "{subject} bounces {adverb} from edge to edge starting {direction}",
        "{subject} {adverb} flies {direction} and bounces back and forth",
        "{subject} starts {direction} and bounces {adverb} between the edges",
        "{subject} {adverb} travels {direction} and bounces off the edge",
    ),
    "orbits": (
        "{subject} orbits the dot {direction} {adverb}",
        "{subject} {adverb} goes {direction} around a dot",
        "{subject} travels {adverb} around the dot {direction}",
        "{subject} {adverb} revolves {direction} around the dot",
    ),
    "hides": (
        "{subject} {adverb} goes behind the wall on the {direction} and returns",
        "{subject} moves {direction} {adverb} then hides behind a wall and comes back",
        "{subject} {adverb} vanishes behind the {direction} wall and comes out again",
        "{subject} hides {adverb} behind the wall at the {direction} edge and reappears",
    ),
    "grows": (
        "{subject} grows {adverb} and then shrinks",
        "{subject} {adverb} swells and then shrinks again",
        "{subject} {adverb} becomes larger and then smaller",
        "{subject} starts to grow {adverb} and then shrinks",
    ),
    "shrinks": (
        "{subject} shrinks {adverb} and then grows",
        "{subject} {adverb} shrinks and then swells again",
        "{subject} {adverb} becomes smaller and then larger",
        "{subject} starts to shrink {adverb} and then grows",
    ),
    "recolours": (
        "{subject} {adverb} turns {to} and back",
        "{subject} changes {adverb} to {to} and back again",
        "{subject} fades {adverb} into {to} and returns to its colour",
        "{subject} {adverb} becomes {to} and then its first colour again",
    ),
    "meets": (
        "{subject} on the left and {other} on the right meet {adverb} and part",
        "{subject} from the left and {other} from the right {adverb} come together and part",
        "{other} on the right and {subject} on the left {adverb} touch and part again",
        "{subject} on the left {adverb} meets {other} on the right and they part",
    ),
}
BRIEF_TEMPLATES: dict[str, tuple[str, ...]] = {
    "crosses": ("{subject} moves {direction}", "{subject} travels {direction}"),
    "bounces": ("{subject} bounces", "{subject} moves {direction} and bounces"),
    "orbits": ("{subject} orbits a dot", "{subject} goes around a dot {direction}"),
    "hides": ("{subject} goes behind a wall and returns", "{subject} hides behind the {direction} wall"),
    "grows": ("{subject} grows and shrinks", "{subject} grows"),
    "shrinks": ("{subject} shrinks and grows", "{subject} shrinks"),
    "recolours": ("{subject} turns {to}", "{subject} becomes {to} and then its first colour again"),
    "meets": ("{subject} and {other} meet", "{subject} meets {other}"),
}


def caption(spec: ClipSpec) -> str:
    """The full caption: subjects with their sizes, motion, direction, speed and place, in lower-case words."""
    choice = _Choice(spec.paraphrase)
    template = choice.of(_templates(spec, TEMPLATES, EVENT_TEMPLATES))
    sentence = template.format(**_phrases(spec, choice, with_size=True))
    return f"{sentence} {choice.of(PLACE_PHRASES[spec.background.place])}"


def brief_caption(spec: ClipSpec) -> str:
    """The same clip in few words, as in "a red circle bounces"."""
    choice = _Choice(spec.paraphrase)
    template = choice.of(_templates(spec, BRIEF_TEMPLATES, BRIEF_EVENT_TEMPLATES))
    return template.format(**_phrases(spec, choice, with_size=False))


def words_of(text: str) -> list[str]:
    """The words of a caption, or of anything typed like one."""
    return re.findall("[a-z]+", text.lower())


def vocabulary() -> tuple[str, ...]:
    """Every word that a caption can have, sorted."""
    tables = (SHAPE_WORDS, COLOUR_WORDS, SIZE_WORDS, SPEED_WORDS, DIRECTION_WORDS, PLACE_PHRASES)
    phrases = [phrase for table in tables for choices in table.values() for phrase in choices]
    templates = [text for table in (TEMPLATES, BRIEF_TEMPLATES) for choices in table.values() for text in choices]
    fixed = [re.sub("{[a-z]+}", " ", text) for text in templates]
    return tuple(
        sorted({word for text in ("a left right up down clockwise", *phrases, *fixed) for word in words_of(text)})
    )


class _Choice:
    """Picks words by the digits of a number, each in a base of its own: no random state, the same for ever."""

    def __init__(self, paraphrase: int) -> None:
        self._rest = paraphrase

    def of(self, choices: Sequence[str]) -> str:
        self._rest, digit = divmod(self._rest, len(choices))
        return choices[digit]


def _templates(spec: ClipSpec, plain: _Templates, eventful: _Templates) -> tuple[str, ...]:
    if spec.event is not None:
        return eventful[spec.event.kind]
    return plain[spec.motion.direction if spec.motion.kind == "pulses" else spec.motion.kind]


def _phrases(spec: ClipSpec, choice: _Choice, with_size: bool) -> dict[str, str]:
    motion = spec.motion
    phrases = {
        "subject": _noun(spec.subjects[0], choice, with_size),
        "adverb": choice.of(SPEED_WORDS[motion.speed]),
        "direction": choice.of(DIRECTION_WORDS.get(motion.direction, (motion.direction,))),
    }
    if motion.second_colour is not None:
        phrases["to"] = choice.of(COLOUR_WORDS[motion.second_colour])
    if len(spec.subjects) == 2:
        phrases["other"] = _noun(spec.subjects[1], choice, with_size)
    return phrases


def _noun(subject: Subject, choice: _Choice, with_size: bool) -> str:
    size = [choice.of(SIZE_WORDS[subject.size])] if with_size else []
    colour, shape = choice.of(COLOUR_WORDS[subject.colour]), choice.of(SHAPE_WORDS[subject.shape])
    return " ".join(["a", *size, colour, shape])
