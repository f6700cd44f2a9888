"""Links, lengths of lines, and what README.md has to hold.

pages_test.py ROOT
"""
import pathlib
import sys
import tempfile
import unittest

import pages

ROOT = pathlib.Path(sys.argv.pop(1))
MADE = {"savings.md", "truth_table.md", "promises.md"}  # by programs, with what they were given


def long_lines(text, limit):
    return [number for number, line in pages.prose_lines(text) if len(line) > limit and not line.startswith("|")]


class Pages(unittest.TestCase):
    def test_every_relative_link_resolves(self):
        self.assertEqual(list(pages.broken_links(ROOT)), [])

    def test_lines_outside_of_tables_are_short(self):
        for path in pages.pages(ROOT):
            if path.parent.name != "reference" and path.name not in MADE:
                self.assertEqual(long_lines(pages.read(path), 120 if path.name == "README.md" else 130), [], path)

    def test_every_page_is_in_the_navigation(self):
        listed = pages.read(ROOT / "mkdocs.yml")
        for path in (ROOT / "docs").rglob("*.md"):
            self.assertIn(f"- {path.relative_to(ROOT / 'docs')}\n", listed)

    def test_the_readme_is_short_and_names_the_test_command(self):
        text = pages.read(ROOT / "README.md")
        self.assertLessEqual(text.count("\n"), 150)
        self.assertEqual([line for line in text.split("\n") if len(line) > 120 and not line.startswith("|")], [])
        self.assertIn("\ntools/test ", text)
        self.assertIn("tools/test", pages.read(ROOT / ".ci/run"))


class Checks(unittest.TestCase):
    """The checks themselves, on pages that have faults."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.root = pathlib.Path(self.folder.name).resolve()
        (self.root / "docs").mkdir()

    def tearDown(self):
        self.folder.cleanup()

    def test_broken_links_are_found(self):
        (self.root / "docs/other.md").write_text("# One `two`, three\n")
        (self.root / "README.md").write_text(
            "[a](docs/other.md) [b](docs/none.md) [c](docs/other.md#one-two-three) [d](docs/other.md#two) [e](#x)\n"
            "[f](https://example.org) [g](../outside.md) `[h](none.md)`\n```\n[i](none.md)\n```\n")
        self.assertEqual(list(pages.broken_links(self.root)),
                         ["README.md:1: docs/none.md: no such file", "README.md:1: docs/other.md#two: no such heading",
                          "README.md:1: #x: no such heading", "README.md:2: ../outside.md: outside of the sources"])

    def test_long_lines_are_found_outside_of_tables_and_blocks(self):
        long = "x" * 121
        self.assertEqual(long_lines(f"{long}\n|{long}\n```\n{long}\n```\n{long[1:]}\n", 120), [1])

    def test_marked_blocks_are_found(self):
        text = "```sh\na\n```\n<!-- run -->\n```sh\nb\nc\n```\n"
        self.assertEqual(list(pages.marked_blocks(text)), [(4, "b\nc")])
        with self.assertRaises(ValueError):
            list(pages.marked_blocks("<!-- run -->\n\n```sh\nb\n```\n"))


if __name__ == "__main__":
    unittest.main()
