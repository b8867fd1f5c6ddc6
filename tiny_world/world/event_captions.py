"""Captions of clips with events, in the words that captions of all others have, so that no tokenizer has to be changed.

The tables are of `captions`' kind: {subject} is "a small red circle", {adverb} the speed.
"""

EVENT_TEMPLATES: dict[str, tuple[str, ...]] = {
    "bounce": (
        "{subject} moves {direction} {adverb} and bounces off the wall",
        "{subject} starts {direction} {adverb} and bounces off a wall in the picture",
        "{subject} {adverb} flies {direction} and bounces back off the wall",
        "{subject} bounces {adverb} off the wall starting {direction}",
    ),
    "blink": (
        "{subject} moves {direction} {adverb} then vanishes on the wall and reappears",
        "{subject} {adverb} travels {direction} vanishes on a wall and comes back again",
        "{subject} glides {direction} {adverb} and vanishes and reappears on the wall",
        "{subject} {adverb} drifts {direction} and vanishes on a wall then reappears",
    ),
    "occlusion": (
        "{subject} moves {direction} {adverb} behind the wall and out on the other side",
        "{subject} {adverb} travels {direction} then goes behind a wall and comes out again",
        "{subject} glides {direction} {adverb} hides behind the wall and reappears on the opposite side",
        "{subject} {adverb} drifts {direction} and vanishes behind a wall then comes out on the other side",
    ),
    "turn": (
        "{subject} moves {direction} {adverb} and flies to one side and back",
        "{subject} {adverb} travels {direction} goes out to the side and comes back again",
        "{subject} glides {direction} {adverb} and flies off to one side and returns",
        "{subject} {adverb} drifts {direction} and goes out to one side then returns",
    ),
}
BRIEF_EVENT_TEMPLATES: dict[str, tuple[str, ...]] = {
    "bounce": ("{subject} bounces off a wall", "{subject} moves {direction} and bounces off the wall"),
    "blink": ("{subject} vanishes and reappears", "{subject} moves {direction} vanishes and reappears"),
    "occlusion": ("{subject} goes behind a wall and out", "{subject} moves {direction} behind the wall"),
    "turn": ("{subject} flies to the side and back", "{subject} moves {direction} and flies to one side and back"),
}
