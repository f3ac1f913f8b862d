"""Runs the blocks of a page as its reader would: in order, in one folder, and compares what they print.

CONTRIBUTING says what a page may contain ("Pages").
"""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
_BLOCK = re.compile(
    r'^( *)```(console|python|yaml|text)(?: title="([^"]+)")?\n(.*?)^\1```$', re.MULTILINE | re.DOTALL
)
_FILE = re.compile(r"# ([\w./-]+\.(?:py|ya?ml))\n")
_NUMBER = r"[-+]?\d+(?:[.,:]\d+)*(?:e[-+]?\d+)?"
# They run until they are interrupted.
_SERVERS = ("noisesweep ui",)
# Runs blocks of Python that share names, as one script; what they print is between the marks.
_MARK = "-- end of block --"
_SCRIPT = f"""
import json, os, sys
blocks = os.fdopen(os.dup(0))
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
for line in blocks:
    exec(compile(json.loads(line), "page", "exec"), globals())
    print({_MARK!r}, flush=True)
"""
# They hold for the commands after them.
_LASTING = ("export ", "cd ", "source ")


@dataclass(frozen=True)
class Block:
    language: str
    file: str
    text: str


def blocks(page: Path) -> list[Block]:
    """Read the blocks of a page that are run, written to a file or compared."""
    found = []
    for indent, language, title, text in _BLOCK.findall(page.read_text()):
        content = re.sub(f"^{indent}", "", text, flags=re.MULTILINE)
        named = _FILE.match(content)
        found.append(Block(language, title or (named[1] if named else ""), content))
    return found


def commands(text: str) -> Iterator[tuple[str, str]]:
    """Split a console block into commands, each with what it says is printed; empty if it does not say."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, rest = re.fullmatch(r"((?:[^\n]*\\\n)*[^\n]*\n)(.*)", part, re.DOTALL).groups()
        yield command.strip(), rest


def pattern(shown: str) -> str:
    """Write the pattern of a text: a number is any number, ``...`` any text, and a line of it any lines."""
    return "".join(
        r"(?:.*\n)*?" if line.strip() == "..." else rf"\s*{_of_line(line)}\s*\n"
        for line in shown.rstrip().splitlines()
    )


def _of_line(line: str) -> str:
    tokens = re.findall(rf"\.\.\.|{_NUMBER}|\s+|.", line.strip())
    return "".join(
        ".*"
        if token == "..."
        else _NUMBER
        if re.fullmatch(_NUMBER, token)
        else r"\s+"
        if token.isspace()
        else re.escape(token)
        for token in tokens
    )


def check_shown(shown: str, printed: str) -> None:
    """Fail unless what is printed is what the page shows."""
    complete = printed if printed.endswith("\n") else f"{printed}\n"
    assert re.fullmatch(pattern(shown), complete), f"the page shows:\n{shown}\nprinted is:\n{printed}"


def check_part(shown: str, printed: str) -> None:
    """Fail unless some lines of what is printed are what the page shows."""
    check_shown(f"...\n{shown.rstrip()}\n...", printed)


def recipe(target: str) -> list[str]:
    """Read what ``make`` runs for a target, in an environment with its commands on the path."""
    lines = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)[1]
    return [line.replace("$(BIN)/", "").strip() for line in lines.splitlines()]


class Page:
    """A page that is run in a folder.

    ``rewrite`` changes a command before it runs; ``known`` has what commands print that were run before.
    """

    def __init__(
        self,
        path: Path,
        folder: Path,
        *,
        env: dict[str, str] | None = None,
        rewrite: Callable[[str], str] = str,
        known: dict[str, str] | None = None,
    ) -> None:
        self.path, self.folder, self.rewrite, self.known = path, folder, rewrite, known or {}
        on_path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.env = {**os.environ, "PATH": on_path, "COLUMNS": "200", **(env or {})}
        # As a user has it, runs are in the folder.
        self.env.pop("MLFLOW_TRACKING_URI", None)
        self.lasting: list[str] = []
        self.script: Any = None

    def run(self) -> None:
        printed = ""
        try:
            for block in blocks(self.path):
                if block.file:
                    (self.folder / block.file).write_text(block.text)
                elif block.language == "console":
                    for command, shown in commands(block.text):
                        self.command(command, shown)
                elif block.language == "python":
                    printed = self.python(block.text)
                elif block.language == "text":
                    check_part(block.text, printed)
        finally:
            if self.script:
                self.script.communicate(timeout=60)

    def command(self, command: str, shown: str) -> None:
        command = self.rewrite(re.sub(r"\s+# .*", "", command))
        if command.startswith("make "):
            target = command.removeprefix("make ")
            if target != "sweep":
                assert f"\n{command}\n" in (ROOT / ".ci" / "run").read_text(), f"nothing runs {command}"
                return
            (command,) = recipe(target)
        if command.startswith(_LASTING):
            if command != "source .venv/bin/activate":
                self.lasting.append(command)
            return
        printed = self.known[command] if command in self.known else self.printed(command, shown)
        if shown.strip():
            check_shown(shown, printed)

    def printed(self, command: str, shown: str = "") -> str:
        process = self._start("bash", "-c", "\n".join([*self.lasting, command]))
        if command.startswith(_SERVERS):
            return _until(process, len(shown.strip().splitlines()))
        printed, _ = process.communicate(timeout=900)
        assert process.returncode == 0, f"{self.path.name}: {command}\n{printed}"
        return printed

    def python(self, code: str) -> str:
        self.script = self.script or self._start(sys.executable, "-u", "-c", _SCRIPT)
        self.script.stdin.write(f"{json.dumps(code)}\n")
        self.script.stdin.flush()
        printed = ""
        while not printed.endswith(f"{_MARK}\n"):
            line = self.script.stdout.readline()
            # At its end, the script has failed.
            assert line, f"{self.path.name}:\n{code}\n{printed}"
            printed += line
        return printed.removesuffix(f"{_MARK}\n")

    def _start(self, *words: str) -> subprocess.Popen[str]:
        streams: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        streams["stderr"] = subprocess.STDOUT
        return subprocess.Popen(words, cwd=self.folder, env=self.env, start_new_session=True, **streams)


def _until(server: subprocess.Popen[str], lines: int) -> str:
    """Return a server's first lines, and interrupt it."""
    assert server.stdout
    printed = "".join(server.stdout.readline() for _ in range(lines))
    os.killpg(server.pid, signal.SIGINT)
    server.communicate(timeout=60)
    return printed
