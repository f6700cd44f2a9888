"""The reference lists what the program has now, and so do manual pages and completions.

reference_test.py ROOT SALF
"""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT, SALF = pathlib.Path(sys.argv[1]), sys.argv[2]
del sys.argv[1:]
DESCRIPTION = json.loads(subprocess.run([SALF, "--describe"], stdout=subprocess.PIPE, check=True).stdout)
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "tools/lib"))
import man_pages  # noqa: E402
import reference_pages  # noqa: E402
import shell_completions  # noqa: E402


class Reference(unittest.TestCase):
    def test_pages_are_what_the_program_says_now(self):
        for name, text in reference_pages.pages(DESCRIPTION, ROOT).items():
            page = ROOT / "docs/reference" / name
            self.assertTrue(page.exists() and page.read_text(encoding="utf-8") == text,
                            f"docs/reference/{name} is stale; write the reference anew: tools/reference")

    def test_no_page_is_of_a_command_that_is_gone(self):
        made = [page.name for page in (ROOT / "docs/reference").glob("*.md")
                if page.read_text(encoding="utf-8").startswith(reference_pages.MARK)]
        self.assertEqual(sorted(made), sorted(reference_pages.pages(DESCRIPTION, ROOT)))

    def test_every_field_of_a_file_has_a_meaning(self):
        self.assertEqual(reference_pages.without_meaning(DESCRIPTION, ROOT), [], "write a comment beside the member")

    def test_every_option_has_its_row_and_its_entry_in_the_manual(self):
        pages, manual = reference_pages.pages(DESCRIPTION, ROOT), man_pages.pages(DESCRIPTION)
        for command in DESCRIPTION["commands"]:
            page, entry = pages[reference_pages.page_name(command)], manual[f"man/man1/{man_pages.title(command['name'])}.1"]
            for option in command["options"]:
                self.assertIn(f"`{option['flag']}", page)
                self.assertIn(man_pages.roff(option["flag"]) + "\\fR", entry)

    def test_help_and_description_have_the_same_options(self):
        help_text = subprocess.run([SALF, "train", "--help-all"], stdout=subprocess.PIPE, text=True, check=True).stdout
        shown = {word.split(",")[-1].split("=")[0] for line in help_text.split("\n") if line.startswith("  -")
                 for word in line.split()[:1]}
        train = next(command for command in DESCRIPTION["commands"] if command["name"] == "train")
        described = {option["former" if "former" in option else "flag"] for option in train["options"]}
        self.assertEqual(shown - {"--help", "--help-all", "--config"}, described)

    def test_bash_completes_commands_options_and_values(self):
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "salf"
            file.write_text(shell_completions.files(DESCRIPTION)["bash-completion/completions/salf"])
            for words, wanted in [(["tra"], "train"), (["train", "--bud"], "--budget"), (["train", "--dtype", "b"], "bf16"),
                                  (["data", "p"], "preview")]:
                script = f'source {file}; COMP_WORDS=(salf {" ".join(words)}); COMP_CWORD={len(words)}; _salf; echo "${{COMPREPLY[@]}}"'
                done = subprocess.run(["bash", "-c", script], stdout=subprocess.PIPE, text=True, check=True)
                self.assertEqual(done.stdout.strip(), wanted)

    def test_other_shells_accept_their_completions(self):
        for shell, name in [("zsh", "zsh/site-functions/_salf"), ("fish", "fish/vendor_completions.d/salf.fish")]:
            if shutil.which(shell):
                with tempfile.NamedTemporaryFile("w") as file:
                    file.write(shell_completions.files(DESCRIPTION)[name])
                    file.flush()
                    subprocess.run([shell, "-n", file.name], check=True)


if __name__ == "__main__":
    unittest.main()
