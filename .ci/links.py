"""Links of the built site and of the papers outside of it: `python .ci/links.py out/site README.md ...`

A link inside has to lead to a file, and a fragment to an element of that name there; no page may fetch anything from
another site. Links to other sites are checked for their form, and listed by `--list`: no request is made.
"""

import argparse
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

BLOB = "https://github.com/OWNER/exvideo/blob/main/"  # ours, however far away the page is read
RAW = "https://raw.githubusercontent.com/OWNER/exvideo/main/"
FETCHED = {("link", "href"), ("script", "src"), ("img", "src"), ("video", "src"), ("source", "src"), ("iframe", "src")}
# Relations of <link> by which a browser fetches nothing.
TOLD = {"canonical", "prev", "next", "alternate", "edit"}
_FENCE = re.compile(r"^(```+)[^\n]*\n.*?^\1`*\s*?$", re.DOTALL | re.MULTILINE)
_CODE = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.*?) *$", re.MULTILINE)


@dataclass
class Page(HTMLParser):
    """The names of a page's elements, and what it links to: (address, True where a browser fetches it by itself)."""

    names: set[str] = field(default_factory=set)
    links: list[tuple[str, bool]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Takes the names and links of an element."""
        values = dict(attributes)
        self.names |= {value for name in ("id", "name") if (value := values.get(name))}
        for name in ("href", "src", "poster"):
            if value := values.get(name):
                told = tag == "link" and values.get("rel") in TOLD
                self.links.append((value, (tag, name) in FETCHED and not told))


@cache
def read_page(path: Path) -> Page:
    """A parsed page of a site."""
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def broken_in_site(site: Path) -> Iterator[str]:
    """Links of a built site that lead nowhere, or that fetch something from elsewhere."""
    for path in sorted(site.rglob("*.html")):
        if path.name == "404.html":  # its links are absolute, as it is shown at any address
            continue
        for link, is_fetched in read_page(path).links:
            found = urlsplit(link)
            where = path.relative_to(site)
            if found.scheme == "data":
                continue
            if found.scheme or found.netloc:
                if is_fetched:
                    yield f"{where}: {link} is fetched from another site: keep it in the repository."
                yield from _malformed(str(where), link)
                continue
            target = (path.parent / unquote(found.path)).resolve() if found.path else path.resolve()
            target = target / "index.html" if target.is_dir() else target
            if not target.is_file():
                yield f"{where}: {link} leads to no file."
            elif found.fragment and unquote(found.fragment) not in read_page(target).names:
                yield f"{where}: {link} leads to no element of that name."


def broken_in_paper(paper: Path, root: Path) -> Iterator[str]:
    """Links of a Markdown file of the repository that lead nowhere, there or where it is shown."""
    is_published = paper.resolve().parents[1] == (root / "packages").resolve()
    for link in paper_links(paper):
        base = paper.parent
        if is_published and not link.startswith("#") and not urlsplit(link).scheme:
            yield f"{paper}: {link} is relative, and PyPI shows this page elsewhere: give its whole address."
        for ours in (BLOB, RAW):
            if link.startswith(ours):
                base, link = root, link.removeprefix(ours)
        found = urlsplit(link)
        if found.scheme:
            yield from _malformed(str(paper), link)
            continue
        target = base / unquote(found.path) if found.path else paper
        if not target.exists():
            yield f"{paper}: {link} leads to no file."
        elif found.fragment and (target.suffix != ".md" or found.fragment not in slugs(target)):
            yield f"{paper}: {link} leads to no heading of that name."


def paper_links(paper: Path) -> list[str]:
    """The targets of a Markdown file's links and pictures, outside of code."""
    return _LINK.findall(_CODE.sub("`", _FENCE.sub("", paper.read_text(encoding="utf-8"))))


def slugs(paper: Path) -> set[str]:
    """Fragments of a Markdown file's headings, as GitHub makes them."""
    text = _FENCE.sub("", paper.read_text(encoding="utf-8"))
    plain = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in _HEADING.findall(text))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in plain}


def _malformed(where: str, link: str) -> Iterator[str]:
    """Complains of an address of another site that is none."""
    found = urlsplit(link)
    is_site = found.scheme in ("https", "http") and ("." in found.netloc.strip(".") or found.hostname == "localhost")
    if not is_site and found.scheme != "mailto":
        yield f"{where}: {link} is no address of a site."


def main() -> int:
    """Prints the links that are broken; 1 if there are some."""
    parser = argparse.ArgumentParser(prog="python .ci/links.py", description="Finds broken links.")
    parser.add_argument("site", type=Path, help="folder of the built site")
    parser.add_argument("papers", type=Path, nargs="*", help="Markdown files")
    parser.add_argument("--list", action="store_true", help="print the links to other sites")
    options = parser.parse_args()
    found = list(broken_in_site(options.site))
    for paper in options.papers:
        found += broken_in_paper(paper, Path())
    if options.list:
        pages = options.site.rglob("*.html")
        print(*sorted({link for page in pages for link, _ in read_page(page).links if urlsplit(link).netloc}), sep="\n")
    print(*found, sep="\n", end="\n" if found else "")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
