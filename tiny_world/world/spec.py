"""A clip of the tiny world as plain data: its pixels, its state and its caption follow from this alone."""

from dataclasses import asdict, dataclass
from typing import Any

FRAME_SIZE = 64  # pixels, both ways
FPS = 8.0

SHAPES = ("circle", "square", "triangle", "cross", "ring")
COLOURS = {  # RGB, in the order of their hues: each is told from each, and from the greys and browns of the scenery
    "red": (228, 40, 40),
    "yellow": (248, 218, 50),
    "green": (40, 185, 65),
    "cyan": (60, 220, 230),
    "blue": (55, 95, 245),
    "pink": (240, 90, 205),
}
SIZES = {"small": 7.5, "large": 10.0}  # pixels: the radius of the circle of the same area, whatever the shape
SPEEDS = ("slow", "fast")
PLAIN_PLACES = {"black": (16, 16, 20), "grey": (80, 80, 84), "brown": (88, 62, 42), "navy": (18, 24, 66)}
PHOTOGRAPHED_PLACES = ("street", "meadow")
PLACES = (*PLAIN_PLACES, *PHOTOGRAPHED_PLACES)
CROPS = 32  # of photographs, a place

# How a subject can move, and how that can begin. Every rule's period is longer than eight frames (see motion.py).
DIRECTIONS: dict[str, tuple[str, ...]] = {
    "crosses": ("left", "right", "up", "down"),  # out at one edge, in at the opposite one
    "bounces": ("left", "right", "up", "down"),  # between two opposite edges
    "orbits": ("clockwise", "counterclockwise"),  # around a dot
    "hides": ("left", "right"),  # behind a wall at that edge, and returns
    "pulses": ("grows", "shrinks"),  # that first, then the other
    "recolours": ("back",),  # to a second colour, and back
    "meets": ("apart",),  # two subjects approach, touch, and part
}

# What happens again and again, for `Event.duration` frames, on the way of a motion; and how long that can be (frames).
EVENTS = {"bounce": "bounces", "blink": "crosses", "occlusion": "crosses", "turn": "crosses"}
LONGEST = {
    "bounce": {"slow": 20, "fast": 16},
    "blink": {"slow": 20, "fast": 10},
    "occlusion": {"slow": 20, "fast": 7},
    "turn": {"slow": 20, "fast": 10},
}


@dataclass(frozen=True)
class Subject:
    """A shape of SHAPES in a colour of COLOURS and a size of SIZES; the size is the one it begins with."""

    shape: str
    colour: str
    size: str


@dataclass(frozen=True)
class Background:
    """A place of PLACES; `crop` (0 to CROPS - 1) says which picture of it, and is 0 for a plain one."""

    place: str
    crop: int = 0


@dataclass(frozen=True)
class Motion:
    """A rule of movement.

    `along` and `across`, both in [0, 1), say where the first frame stands on the path and where the path lies.
    `second_colour`, one of `neighbours` of the first, is given for "recolours" alone.
    """

    kind: str
    direction: str
    speed: str
    along: float
    across: float
    second_colour: str | None = None


@dataclass(frozen=True)
class Event:
    """A short thing of EVENTS that recurs, and takes `duration` frames each time (see events.py).

    `at`, in [0, 1), says with the motion's `along` where on its way a subject begins.
    """

    kind: str
    duration: int
    at: float


@dataclass(frozen=True)
class ClipSpec:
    """A whole clip: one subject, or for "meets" two, the left one first; `paraphrase` picks the caption's words.

    `event` is given for the clips of `event_sampler` alone; of these, all subjects are small.

    Raises:
        ValueError: an attribute is not one of the world's, or does not go with the motion.
    """

    subjects: tuple[Subject, ...]
    background: Background
    motion: Motion
    paraphrase: int = 0
    event: Event | None = None

    def __post_init__(self) -> None:
        motion = self.motion
        _check("place", self.background.place, PLACES)
        _check("kind of motion", motion.kind, tuple(DIRECTIONS))
        _check("direction", motion.direction, DIRECTIONS[motion.kind])
        _check("speed", motion.speed, SPEEDS)
        _check("number of subjects", len(self.subjects), (2 if motion.kind == "meets" else 1,))
        crops = range(CROPS if self.background.place in PHOTOGRAPHED_PLACES else 1)
        _check("crop", self.background.crop, tuple(crops))
        second = neighbours(self.subjects[0].colour) if motion.kind == "recolours" else (None,)
        _check("second colour", motion.second_colour, second)
        for subject in self.subjects:
            _check("shape", subject.shape, SHAPES)
            _check("colour", subject.colour, tuple(COLOURS))
            _check("size", subject.size, sizes_for(motion.kind, motion.direction))
        if self.event is not None:
            self._check_event(self.event)
        if not (0 <= motion.along < 1 and 0 <= motion.across < 1 and self.paraphrase >= 0):
            raise ValueError(
                f"along, across and paraphrase are {motion.along}, {motion.across} and {self.paraphrase}: "
                "the first two lie in [0, 1), the third is not negative."
            )

    def _check_event(self, event: Event) -> None:
        motion, kind = self.motion, event.kind
        _check("event", kind, tuple(EVENTS))
        _check(f"motion of a clip with {kind}", motion.kind, (EVENTS[kind],))
        _check(f"direction of a clip with {kind}", motion.direction, event_directions(kind))
        _check("size of a subject in events", self.subjects[0].size, ("small",))
        _check(f"speed at {kind} of {event.duration} frames", motion.speed, speeds_for(kind, event.duration))
        if not 0 <= event.at < 1:
            raise ValueError(f"The event's at is {event.at}: it lies in [0, 1).")

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it, without an event where there is none; `from_dict` is the way back."""
        data = asdict(self)
        return data if self.event is not None else {name: part for name, part in data.items() if name != "event"}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "ClipSpec":
        """The inverse of `to_dict`, raising what the class raises."""
        return cls(
            tuple(Subject(**subject) for subject in data["subjects"]),
            Background(**data["background"]),
            Motion(**data["motion"]),
            data["paraphrase"],
            Event(**data["event"]) if "event" in data else None,
        )


def neighbours(colour: str) -> tuple[str, str]:
    """The colours on either side of one: on the way to these it stays a colour, to any other it turns grey or brown."""
    names = tuple(COLOURS)
    index = names.index(colour)
    return names[index - 1], names[(index + 1) % len(names)]


def sizes_for(kind: str, direction: str) -> tuple[str, ...]:
    """The sizes that go with a motion: what grows begins small, and only small shapes have room to meet."""
    if kind == "meets" or direction == "grows":
        return ("small",)
    return ("large",) if direction == "shrinks" else tuple(SIZES)


def event_directions(kind: str) -> tuple[str, ...]:
    """The directions of a kind of event: a post stands upright, and what it hides goes left or right."""
    return ("left", "right") if kind == "occlusion" else DIRECTIONS[EVENTS[kind]]


def speeds_for(kind: str, duration: int) -> tuple[str, ...]:
    """The speeds at which an event of this many frames has room in the picture.

    Raises:
        ValueError: there is no such event.
    """
    _check("event", kind, tuple(EVENTS))
    _check("duration of an event", duration, tuple(range(1, max(LONGEST[kind].values()) + 1)))
    return tuple(speed for speed, longest in LONGEST[kind].items() if duration <= longest)


def _check(what: str, value: object, allowed: tuple[object, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"The {what} is {value!r}: here it is one of {', '.join(map(repr, allowed))}.")
