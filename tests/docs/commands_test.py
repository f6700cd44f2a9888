"""Runs the commands of the pages that are marked by <!-- run --> on a model of a few thousand parameters.

commands_test.py ROOT SALF WRITE_SMALL_WORLD

The blocks of a page are run one after another in a folder with `smollm2`, a model directory, and `rows.jsonl`.
"""
import os
import pathlib
import subprocess
import sys
import tempfile

import pages


def run_page(page, blocks, salf, write_small_world):
    with tempfile.TemporaryDirectory(prefix="salf-docs-") as folder:
        subprocess.run([write_small_world, folder], check=True)
        os.rename(os.path.join(folder, "model"), os.path.join(folder, "smollm2"))
        path = os.path.dirname(os.path.abspath(salf)) + os.pathsep + os.environ["PATH"]
        for number, commands in blocks:
            done = subprocess.run(["bash", "-euxc", commands], cwd=folder, env={**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"},
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            if done.returncode != 0:
                print(f"{page}:{number}: exit code {done.returncode}\n{done.stdout}")
                return False
    return True


def main():
    root, salf, write_small_world = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    commands, failed = 0, False
    for page in pages.pages(root):
        blocks = list(pages.marked_blocks(pages.read(page)))
        commands += sum(block.count("\n") + 1 for _, block in blocks)
        failed = bool(blocks) and not run_page(page.relative_to(root), blocks, salf, write_small_world) or failed
    print(f"{commands} commands")
    return 1 if failed or commands == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
