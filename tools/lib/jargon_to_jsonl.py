#!/usr/bin/env python3
"""Turns Debian's dict-jargon (the Jargon File, public domain) into prompt/completion rows for salf.

Usage: jargon_to_jsonl.py jargon.index jargon.dict.dz > jargon.jsonl

One row a term, in the order of the dictionary. The index gives each entry's place in the text (dictd's base 64); an
entry is its term, a line or two with pronunciation and part of speech, a blank line and the definition. The
definition is kept without its layout: lines joined to paragraphs, the braces of cross references removed, tables and
drawings left out.
"""
import gzip
import json
import re
import sys

DIGITS = {c: i for i, c in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")}
DRAWING = re.compile(r"\S {3,}\S|[\u2500-\u257f]")  # columns or a box


def number(text):
    value = 0
    for digit in text:
        value = value * 64 + DIGITS[digit]
    return value


def definition(text):
    paragraphs = []
    for paragraph in re.split(r"\n\s*\n", text.strip("\n")):
        lines = [line.strip() for line in paragraph.splitlines()]
        if not any(DRAWING.search(line) for line in lines):
            paragraphs.append(re.sub(r"\{\s*([^{}]*?)\s*\}", r"\1", " ".join(lines)))
    return "\n".join(p for p in paragraphs if p)


def rows(index, text):
    places = set()
    for line in index:
        term, offset, length = line.rstrip("\n").split("\t")
        if not term.startswith("00-database"):
            places.add((number(offset), number(length)))
    for offset, length in sorted(places):
        entry = text[offset:offset + length].decode("utf-8")
        term, _, rest = entry.strip("\n").partition("\n")
        _, _, meaning = rest.partition("\n\n")
        meaning = definition(meaning)
        if meaning:
            yield {"prompt": f'What does the hacker term "{term.strip()}" mean?', "completion": meaning}


def main():
    index_path, text_path = sys.argv[1:]
    with gzip.open(text_path) as file:
        text = file.read()
    sys.stdout.reconfigure(encoding="utf-8")
    with open(index_path, encoding="utf-8") as index:
        for row in rows(index, text):
            print(json.dumps(row, ensure_ascii=False))


if __name__ == "__main__":
    main()
