"""The protocols by the names that a command or a program asks for them."""

from exvideo_eval.protocols.definition import Protocol
from exvideo_eval.protocols.fvd import FVD, KVD
from exvideo_eval.protocols.others import OTHERS

PROTOCOLS = {
    **{f"fvd:{protocol.dialect}": protocol for protocol in FVD},
    **{f"kvd:{protocol.dialect}": protocol for protocol in KVD},
    **OTHERS,
}


def protocol_named(name: str) -> Protocol:
    """The protocol of a name such as "fvd:stylegan-v" or "jedi".

    Raises:
        ValueError: there is none; the sentence lists the dialects, or the names.
    """
    if name in PROTOCOLS:
        return PROTOCOLS[name]
    dialects = [known for known in PROTOCOLS if known.startswith(f"{name.partition(':')[0]}:")]
    raise ValueError(f"No measure is called {name!r}: choose one of {', '.join(dialects or PROTOCOLS)}.")
