"""Figures in the text of a page, each in its place, filled from the committed ones as tables are.

<!-- figure: validate/ten-times_28: exvideo-chain: displacement error: .1f -->3.4<!-- /figure -->
<!-- figure: validate/ten-times_28: exvideo-chain: displacement error: .1f [] -->3.4 [2.1, 4.6]<!-- /figure -->
<!-- figure: validate/ten-times_28: exvideo-chain less chain: shape right: .2f [] -->    a difference, paired
<!-- figure: validate/ten-times_28: exvideo-chain over direct: displacement error: .2f -->    a ratio, paired
<!-- figure: validate/several-rates_49: lora of the gain: displacement error: .2f [] -->      the share that it keeps

A measure is one of a method's figures, or `FRAMES`, the cost of its sampling.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

PLACE = re.compile(r"(<!-- figure: (.+?): (.+?): (.+?): (\.\df)( \[\])? -->).*?(<!-- /figure -->)", re.DOTALL)
FRAMES = "frames evaluated"
OF_THE_GAIN = " of the gain"
_COMPARED = {"less": ("difference", "difference_interval"), "over": ("ratio", "ratio_interval")}


def with_figures(text: str, settings: Mapping[str, Any]) -> str:
    """The text with each place filled.

    Args:
        text: of a page.
        settings: by `Setting.name`, as the committed figures have them.

    Raises:
        ValueError: a place names a setting, a method or a measure that there is not.
    """

    def filled(place: re.Match[str]) -> str:
        opening, setting, method, measure, form, has_interval, closing = place.groups()
        try:
            value, interval = _looked_up(settings[setting], method, measure)
            bounds = _bounds(interval, form) if has_interval else ""
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"There is no such figure, or it is of one seed: {opening} ({error})") from error
        return f"{opening}{value:{form}}{bounds}{closing}"

    return PLACE.sub(filled, text)


def _looked_up(found: Mapping[str, Any], method: str, measure: str) -> tuple[float, Sequence[float]]:
    for word, (value, interval) in _COMPARED.items():
        ours, between, other = method.partition(f" {word} ")
        if between:
            compared = found["against"][other][ours]["measures"][measure]
            return compared[value], compared[interval]
    told = found["methods"][method.removesuffix(OF_THE_GAIN)]
    if method.endswith(OF_THE_GAIN):
        kept = told["gain_kept"][measure]
        return kept["value"], kept["interval"]
    if measure == FRAMES:
        return told["network_frames"], ()
    of = told["figures"][measure]
    return of["value"], of["interval"]


def _bounds(interval: Sequence[float], form: str) -> str:
    low, high = interval
    return f" [{low:{form}}, {high:{form}}]"
