"""What MkDocs calls while it builds the site: pages from the root, generated sections, globs in the nav."""

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import generated
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
# Files of the root that are pages of the site too.
FROM_ROOT = {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
_MARKER = re.compile(r"<!-- generated: (\w+) -->")
_UPWARDS = re.compile(rf"\]\((?:\.\./)+({'|'.join(map(re.escape, FROM_ROOT))})")


def on_config(config: MkDocsConfig) -> None:
    """Replace ``folder/*`` in the nav by the folder's pages that the nav does not list."""
    docs = Path(config.docs_dir)
    listed = set(_pages(config.nav))
    for section in config.nav or []:
        for pages in section.values():
            if isinstance(pages, list) and pages[-1].endswith("/*"):
                folder = docs / pages.pop()[:-2]
                found = {path.relative_to(docs).as_posix() for path in folder.rglob("*.md")}
                pages.extend(sorted(found - listed))


def _pages(nav: Any) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    else:
        for each in nav.values() if isinstance(nav, dict) else nav or []:
            yield from _pages(each)


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Add the pages that are files of the root."""
    for name, page in FROM_ROOT.items():
        text = (ROOT / name).read_text().replace("](docs/", "](")
        files.append(File.generated(config, page, content=text))


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Fill in what is generated, and lead links to files of the root to their pages."""
    up = "../" * (len(PurePosixPath(page.file.src_uri).parts) - 1)
    markdown = _UPWARDS.sub(lambda link: f"]({up}{FROM_ROOT[link[1]]}", markdown)
    return _MARKER.sub(lambda marker: getattr(generated, marker[1])(), markdown)
