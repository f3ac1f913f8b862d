"""Reports read back: the page of HTML and the Markdown."""

import html
import re
from html.parser import HTMLParser

from sweeps.report.page import write_report

VOID = {"meta", "br", "img", "hr", "link", "input"}


class Page(HTMLParser):
    """Checks that tags close in order, and keeps text, tables and addresses."""

    def __init__(self, text):
        super().__init__()
        self.open, self.addresses, self.tags, self.rows, self.text = [], [], [], [], ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href", "srcset", "data")]
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("script", "style"):
            self.text += data
        if "td" in self.open or "th" in self.open:
            self.rows[-1][-1] += data


class Report:
    """A report read back."""

    def __init__(self, sweep, storage):
        self.sweep = sweep
        self.page_file = write_report(sweep.write(storage))
        self.html = self.page_file.read_text()
        self.page = Page(self.html)
        self.markdown = self.page_file.with_name("report.md").read_text()
        self.text = " ".join(html.unescape(self.markdown).split())

    @property
    def figures(self):
        return set(re.findall(r"^!\[[^\n]*\]\(([^\n]+)\.png\)$", self.markdown, re.MULTILINE))

    @property
    def tables(self):
        """Tables of the Markdown by title: rows by their first cell."""
        found = {}
        for part in re.split(r"^## ", self.markdown, flags=re.MULTILINE)[1:]:
            lines = [line for line in part.splitlines() if line.startswith("|")]
            cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines]
            assert len({len(row) for row in cells}) <= 1, part
            if cells:
                head, _, *rows = [[cell.strip() for cell in row] for row in cells]
                found[part.splitlines()[0]] = [dict(zip(head, row, strict=True)) for row in rows]
        return found
