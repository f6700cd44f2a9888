"""Writes the English prose of all pages, at the same lines: code and headings become blanks.

prose.py ROOT FOLDER
"""
import pathlib
import re
import sys

import pages


def prose(text):
    lines = [""] * (text.count("\n") + 1)
    for number, line in pages.prose_lines(text):
        lines[number - 1] = "" if line.startswith("#") else re.sub(r"`[^`]*`", "X", line)
    return "\n".join(lines)


def main():
    root, folder = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2])
    for page in pages.pages(root):
        if "ja" not in page.parts:
            target = folder / page.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(prose(pages.read(page)), encoding="utf-8")


if __name__ == "__main__":
    main()
