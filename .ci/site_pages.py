"""Hooks of MkDocs: the site has the repository's other papers too, and equations as MathML: it needs nobody else.

A page of the site that lies outside of docs/ (a README, the changelog) keeps its path in the repository; a link to any
other file of the repository leads to a page that shows the file.
"""

import posixpath
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from latex2mathml.converter import convert
from links import BLOB, RAW
from mkdocs.structure.files import File, InclusionLevel

FENCE = re.compile(r"^(```+)[^\n]*\n.*?^\1`*\s*?$", re.DOTALL | re.MULTILINE)
MATH = re.compile(r"^```math\n(.*?)^```$", re.DOTALL | re.MULTILINE)
INLINE_MATH = re.compile(r"\$`([^`\n]+)`\$")
LINK = re.compile(r"(?<=\]\()([^)\s]+)(?=\))")
LANGUAGES = {".yaml": "yaml", ".yml": "yaml", ".py": "python", ".json": "json", ".toml": "toml"}


def on_files(files: Any, config: Any) -> Any:
    """Adds the papers that the navigation names outside of docs/, and a page of each file that some page links to."""
    root = Path(config.config_file_path).parent
    named = [uri for uri in _uris(config.nav) if files.get_file_from_path(uri) is None and (root / uri).is_file()]
    for uri in named:
        files.append(File.generated(config, uri, abs_src_path=str(root / uri)))
    pages = [file for file in files if file.src_uri.endswith(".md")]
    linked = {place for page in pages for place in _linked(root, page)}
    for place in sorted(linked):
        text = (root / place).read_text(encoding="utf-8")
        language = LANGUAGES.get(Path(place).suffix, "text")
        content = f"# {place}\n\n````{language}\n{text}\n````\n"
        files.append(File.generated(config, f"{place}.md", content=content, inclusion=InclusionLevel.NOT_IN_NAV))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Leads links to where their files are on the site, and writes equations as MathML."""
    root = Path(config.config_file_path).parent
    here = page.file.src_uri

    def lead(link: str) -> str:
        return link_on_site(root, here, link)

    markdown = MATH.sub(lambda found: f'<div class="math">{convert(found[1].strip(), display="block")}</div>', markdown)
    return outside_fences(markdown, lambda text: LINK.sub(lambda found: lead(found[1]), _inline(text)))


def link_on_site(root: Path, page: str, link: str) -> str:
    """A link of the page `page` (its path on the site) as the site has it; others' addresses as they are."""
    place, fragment = target(root, page, link)
    if place is None:
        return link
    if (root / place).is_dir() and (root / place / "README.md").is_file():
        place = f"{place}/README.md"
    inside = place.removeprefix("docs/")
    if inside == place and not place.endswith(".md"):
        inside = f"{place}.md"
    return posixpath.relpath(inside, posixpath.dirname(page) or ".") + fragment


def target(root: Path, page: str, link: str) -> tuple[str | None, str]:
    """The path in the repository that a link of a page leads to, None for all else, and its fragment."""
    base = posixpath.dirname(repository_path(root, page))
    for ours in (BLOB, RAW):
        if link.startswith(ours):
            base, link = "", link.removeprefix(ours)
    parts = urlsplit(link)
    fragment = f"#{parts.fragment}" if parts.fragment else ""
    if parts.scheme or not parts.path:
        return None, fragment
    return posixpath.normpath(posixpath.join(base, parts.path)), fragment


def repository_path(root: Path, page: str) -> str:
    """The path in the repository of a page of the site."""
    return f"docs/{page}" if (root / "docs" / page).is_file() else page


def outside_fences(markdown: str, change: Callable[[str], str]) -> str:
    """The text with what is outside of its fenced blocks changed."""
    parts, end = [], 0
    for fence in FENCE.finditer(markdown):
        parts += [change(markdown[end : fence.start()]), fence[0]]
        end = fence.end()
    return "".join([*parts, change(markdown[end:])])


def _inline(text: str) -> str:
    # In a span, as Markdown takes an element that it does not know for a block where a line begins with it.
    return INLINE_MATH.sub(lambda found: f"<span>{convert(found[1])}</span>", text)


def _linked(root: Path, page: Any) -> Iterator[str]:
    """Files of the repository that a page links to, but for papers and what lies in docs/."""
    found: list[str] = []
    outside_fences(page.content_string, lambda text: found.extend(LINK.findall(text)) or text)
    for link in found:
        place, _ = target(root, page.src_uri, link)
        if place and (root / place).is_file() and not place.startswith("docs/") and not place.endswith(".md"):
            yield place


def _uris(nav: Any) -> Iterator[str]:
    """Every path that a navigation names."""
    for item in nav if isinstance(nav, list) else nav.values():
        if isinstance(item, str):
            yield item
        else:
            yield from _uris(item)
