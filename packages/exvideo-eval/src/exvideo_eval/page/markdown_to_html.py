"""The report's Markdown as HTML, so that page and report say the same: the few forms that the report uses.

Headings, tables, lists, paragraphs; `code` and **strong** within them. Pictures are left out: the page draws its own.
"""

import re
from collections.abc import Sequence
from html import escape

_CELL = re.compile(r"(?<!\\)\|")


def as_html(markdown: str) -> str:
    """HTML elements of a Markdown text; everything that is no mark is escaped."""
    return "\n".join(_block(block) for block in re.split(r"\n{2,}", markdown.strip()) if not block.startswith("!["))


def _block(block: str) -> str:
    lines = block.split("\n")
    heading = re.match(r"(#{1,4}) (.*)", block)
    if heading:
        level = len(heading[1])
        return f"<h{level}>{_inline(heading[2])}</h{level}>"
    if all(line.startswith("|") for line in lines) and len(lines) > 1:
        return _table(lines)
    if all(line.startswith("- ") for line in lines):
        return f"<ul>{''.join(f'<li>{_inline(line[2:])}</li>' for line in lines)}</ul>"
    return f"<p>{_inline(' '.join(lines))}</p>"


def _table(lines: Sequence[str]) -> str:
    head, _, *rows = ([cell.strip() for cell in _CELL.split(line.strip())[1:-1]] for line in lines)
    parts = [f"<tr>{''.join(f'<th>{_inline(cell)}</th>' for cell in head)}</tr>"]
    parts += [f"<tr>{''.join(f'<td>{_inline(cell)}</td>' for cell in row)}</tr>" for row in rows]
    return f'<div class="wide"><table>{"".join(parts)}</table></div>'


def _inline(text: str) -> str:
    parts = re.split(r"(`[^`]*`)", text.replace("\\|", "|"))
    return "".join(
        f"<code>{escape(part[1:-1])}</code>"
        if part.startswith("`") and len(part) > 1
        else re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", escape(part))
        for part in parts
    )
