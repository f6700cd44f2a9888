"""The Markdown pages of this project: their text, links, anchors and marked commands."""
import pathlib
import re

RUN = "<!-- run -->"  # the commands in the fenced block that follows are run by commands_test.py


def pages(root):
    """README.md and the like, and all below docs/."""
    yield from sorted(root.glob("*.md"))
    yield from sorted((root / "docs").rglob("*.md"))


def read(path):
    return pathlib.Path(path).read_text(encoding="utf-8")


def prose_lines(text):
    """(number, line) of what stands outside of fenced blocks."""
    fenced = False
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith("```"):
            fenced = not fenced
        elif not fenced:
            yield number, line


def anchors(text):
    """What a link may name after #, as GitHub and MkDocs make it of headings."""
    found = set()
    for _, line in prose_lines(text):
        if re.match(r"#{1,6} ", line):
            title = re.sub(r"[`*]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", line.lstrip("# ")))
            found.add(re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-"))
    return found


def links(text):
    """(number, target) of inline links and images."""
    for number, line in prose_lines(text):
        for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", line)):
            yield number, target


def broken_links(root):
    """Messages about relative links whose file or anchor is not there."""
    root = root.resolve()
    for page in pages(root):
        for number, target in links(read(page)):
            if re.match(r"[a-z]+:", target):
                continue
            name, _, anchor = target.partition("#")
            where = f"{page.relative_to(root)}:{number}: {target}"
            file = (page.parent / name).resolve() if name else page
            if root not in file.parents:
                yield f"{where}: outside of the sources"
            elif not file.exists():
                yield f"{where}: no such file"
            elif anchor and anchor not in anchors(read(file)):
                yield f"{where}: no such heading"


def marked_blocks(text):
    """(number, commands) of the fenced blocks that are to be run."""
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if line.strip() == RUN:
            if number + 1 == len(lines) or not lines[number + 1].startswith("```sh"):
                raise ValueError(f"line {number + 1}: {RUN} stands before no ```sh")
            end = lines.index("```", number + 2)
            yield number + 1, "\n".join(lines[number + 2:end])
