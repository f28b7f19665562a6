"""Every command of ours that a page or a help text names is one that the program understands, with those options."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator

import pytest
import tallystick_cloud.cli
import tallystick_edge.cli
import tallystick_protocol.verify_cli
import tallystick_sim.cli
from support.repository import ROOT

PROGRAMS = {
    "tallystick": tallystick_cloud.cli.parser(),
    "tallystick-edge": tallystick_edge.cli._parser(),
    "tallystick-sim": tallystick_sim.cli._parser(),
    "tallystick-verify": tallystick_protocol.verify_cli._parser(),
}
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
FENCED = re.compile(r"^ *```\w*\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
INDENTED = re.compile(r"^    +(tallystick(?:-\w+)? .*(?:\\\n.*)*)", re.MULTILINE)
INLINE = re.compile(r"`(?:\.venv/bin/)?(tallystick(?:-edge|-sim|-verify)? [^`]+)`")
LINE = re.compile(r"^(?:\$ |sudo (?:-u \w+ )?)?(?:\.venv/bin/)?(tallystick(?:-edge|-sim|-verify)? .+)$", re.MULTILINE)
BESIDE = re.compile(r"\s+#.*|\s*[|>;].*|\s+&&.*")
"""What stands behind a command in a shell's line: a remark, where its output goes, the next one."""


def commands_in(text: str) -> Iterator[str]:
    """Whole lines of blocks, with what `\\` continues, and commands within a sentence."""
    for block in (*FENCED.findall(text), *INDENTED.findall(text)):
        yield from LINE.findall(re.sub(r"\\\n\s*", "", block))
    yield from INLINE.findall(FENCED.sub("", text))


def unknown_in(line: str) -> str | None:
    """The first word or option that the program does not know; None when it knows all."""
    program, *words = shlex.split(line)
    parser, is_group = PROGRAMS[program], True
    for word in words:
        if word.startswith("--"):
            if word.partition("=")[0] not in parser._option_string_actions:
                return word
        elif is_group:
            choices = _subcommands(parser)
            if word in choices:
                parser = choices[word]
                is_group = bool(_subcommands(parser))
            elif word.isupper() or not re.fullmatch(r"[\w-]+", word):
                return None  # a placeholder, or several at once: `run | show`
            else:
                return word
    return None


def _subcommands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def _all(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield parser
    for one in _subcommands(parser).values():
        yield from _all(one)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_in_a_page_is_known(page: object) -> None:
    assert isinstance(page, type(ROOT))
    for line in commands_in(page.read_text()):
        assert unknown_in(BESIDE.sub("", line)) is None, line


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_word_and_option_says_what_it_is(program: str) -> None:
    bare = [
        (parser.prog, action.metavar or action.dest)
        for parser in _all(PROGRAMS[program])
        for action in parser._actions
        if not action.help and not isinstance(action, argparse._SubParsersAction)
    ]
    assert bare == []


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_example_in_a_help_text_is_understood_whole(program: str) -> None:
    """What cannot be parsed ends the test: argparse says why on stderr."""
    seen = 0
    for parser in _all(PROGRAMS[program]):
        lines = re.sub(r"\\\n\s*", "", parser.epilog or "").splitlines()
        for line in lines:
            found = re.match(r"(?:\s*|examples?: )(tallystick(?:-edge|-sim|-verify)? .*)", line)
            if found and "COMMAND" not in line:
                name, *words = shlex.split(BESIDE.sub("", found[1]))
                PROGRAMS[name].parse_args(words)
                seen += 1
    assert seen or program == "tallystick-sim"
