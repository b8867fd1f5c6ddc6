"""Names of files as text: in one line, and in letters that every file of ours can hold."""

import unicodedata
from pathlib import Path

_UNSHOWN = ("Cc", "Cs", "Zl", "Zp")  # control characters, bytes that are no letters, ends of lines


def shown_name(name: str | Path) -> str:
    """A name as it is, but for letters that no text holds or that end a line: they are written as Python writes them.

    Bytes of a name that is not UTF-8 are written as "\\xe9".
    """
    return "".join(map(_escaped, str(name)))


def _escaped(letter: str) -> str:
    if unicodedata.category(letter) not in _UNSHOWN:
        return letter
    byte = ord(letter) - 0xDC00  # as Python takes bytes of names that are not UTF-8
    return f"\\x{byte:02x}" if 0x80 <= byte <= 0xFF else letter.encode("unicode_escape").decode()
