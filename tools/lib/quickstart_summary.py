#!/usr/bin/env python3
"""The quickstart's last screen, from the files that it left behind.

Usage: quickstart_summary.py WORK-FOLDER SECONDS-OF-THIS-RUN
"""
import json
import sys
import textwrap
from pathlib import Path

LINE = "-" * 78
PARTS = ("prefix", "cache", "suffix_forward", "head", "backward", "optimizer", "evaluation", "fixed")


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def figure(name, value, scale=1.0, unit=""):
    return (f"{name:<30}{value['value'] * scale:10.4g}{unit:<2}"
            f"  (95 % interval {value['low'] * scale:.4g} to {value['high'] * scale:.4g})")


def seconds(name, parts):
    return f"{name:<30}{sum(parts[part] for part in PARTS):10.1f} s"


def main():
    work, elapsed = Path(sys.argv[1]), int(sys.argv[2])
    before, after = read(work / "before.json"), read(work / "after.json")
    run = read(work / "run" / "run.json")
    plan = run["plan"]
    blocks = plan["shape"]["blocks"]
    documents = before["tokens"]["documents"]
    print(LINE)
    frozen = f"blocks 1 to {plan['eof']} of {blocks} and the embedding frozen" if plan["eof"] else "nothing frozen"
    print(f"{'the cut':<30}{frozen}, {'LoRA in the rest' if plan.get('lora') else 'the rest tuned'}")
    print(textwrap.fill(plan["reason"], 78, initial_indent=f"{'why':<30}", subsequent_indent=" " * 30))
    print(f"{'trained':<30}{run['steps']} steps, {run['tokens']} tokens, {run['epochs']:.2f} epochs ({run['status']})")
    print(f"\non {documents} held-out terms")
    for name, result in (("before", before["tokens"]), ("after", after["tokens"])):
        print(figure(f"  loss {name}", result["loss"]))
        print(figure(f"  perplexity {name}", result["perplexity"]))
        print(figure(f"  next-token accuracy {name}", result["accuracy"], 100, " %"))
    print("\ntime of the run, calibration included")
    print(seconds("  predicted", run["predicted_seconds"]))
    print(seconds("  measured", run["measured_seconds"]))
    print(f"{'  the budget':<30}{plan['budget']['amount']:10.1f} {plan['budget']['unit']}")
    print(f"\nthis quickstart took {elapsed} s after the set-up; the tuned model is in {work}/run")
    print(LINE)


if __name__ == "__main__":
    main()
