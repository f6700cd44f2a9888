#!/usr/bin/env python3
"""What a user would run instead of salf: transformers and PEFT on the same model, rows and machine. bench/run calls it.

    peer.py model GGUF DIR                     the GGUF file as a Hugging Face directory (float32)
    peer.py step DIR --data F --arm ARM        seconds of training steps of 4 x 256 packed tokens, all supervised
    peer.py epochs DIR --data F --arm ARM --epochs N --blocks N     seconds of N epochs, evaluation before and after

ARM: full, freeze:N (blocks 1 to N and the embedding frozen), lora (rank 16 on all blocks), lora:N (above N).
Float32, fused AdamW, sdpa attention. The result is one line of JSON.
"""
import argparse
import itertools
import json
import os
import resource
import time

import torch

BATCH, TOKENS = 4, 256


def read_blocks(folder, path, count):
    """-> [BATCH, TOKENS] int64 tensors: documents joined by the end-of-sequence token"""
    from transformers import AutoTokenizer
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = []
    for line in open(path):
        row = json.loads(line)
        ids += tokenizer(row.get("prompt", "") + row["completion"]).input_ids + [tokenizer.eos_token_id]
        if len(ids) >= count * TOKENS:
            break
    count = min(count, len(ids) // TOKENS) // BATCH * BATCH
    return list(torch.tensor(ids[: count * TOKENS]).view(-1, BATCH, TOKENS))


def load(folder, arm, compiled):
    from transformers import AutoModelForCausalLM
    model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="sdpa", dtype=torch.float32)
    model.config.use_cache = False
    model.train()
    kind, _, number = arm.partition(":")
    if kind == "freeze":
        for parameter in model.parameters():
            parameter.requires_grad_(False)
        for part in [*model.model.layers[int(number):], model.model.norm]:
            part.requires_grad_(True)
    if kind == "lora":
        from peft import LoraConfig, get_peft_model
        some = {}
        if number:
            blocks = range(int(number), model.config.num_hidden_layers)
            some = {"layers_to_transform": list(blocks), "layers_pattern": "layers"}
        targets = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
        model = get_peft_model(model, LoraConfig(r=16, lora_alpha=32, target_modules=targets, **some))
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return (torch.compile(model) if compiled else model), trained


def train_step(model, optimizer, ids):
    model(input_ids=ids, labels=ids).loss.backward()
    optimizer.step()
    optimizer.zero_grad()


def step(args):
    blocks = read_blocks(args.model, args.data, BATCH * (args.steps + 2))
    model, trained = load(args.model, args.arm, args.compile)
    optimizer = torch.optim.AdamW(trained, lr=1e-5, fused=True)
    seconds = []
    for ids in blocks:
        start = time.perf_counter()
        train_step(model, optimizer, ids)
        seconds.append(time.perf_counter() - start)
    seconds = sorted(seconds[2:])
    report(seconds=seconds[len(seconds) // 2])


def epochs(args):
    start = time.perf_counter()
    blocks = read_blocks(args.model, args.data, args.blocks)
    held_out, blocks = blocks[:2], blocks[2:]
    model, trained = load(args.model, args.arm, args.compile)
    optimizer = torch.optim.AdamW(trained, lr=1e-5, fused=True)
    evaluate(model, held_out)
    rows = itertools.cycle(blocks)
    for epoch in range(args.epochs):
        for ids in itertools.islice(rows, args.steps // args.epochs):
            train_step(model, optimizer, ids)
        evaluate(model, held_out)
    model.save_pretrained(args.save)
    report(seconds=time.perf_counter() - start)


def evaluate(model, blocks):
    with torch.no_grad():
        for ids in blocks:
            model(input_ids=ids, labels=ids).loss.item()


def make_model(args):
    from transformers import AutoModelForCausalLM, AutoTokenizer
    place, name = os.path.split(args.data)
    model = AutoModelForCausalLM.from_pretrained(place, gguf_file=name, dtype=torch.float32)
    del model.config.quantization_config
    model.is_quantized, model.hf_quantizer = False, None
    model.save_pretrained(args.model)
    AutoTokenizer.from_pretrained(place, gguf_file=name).save_pretrained(args.model)


def peak_anonymous():
    """Bytes; the kernel keeps no peak of it, so this is that of all memory less what is mapped from files now."""
    with open("/proc/self/status") as status:
        fields = dict(line.split(":", 1) for line in status)
    mapped = int(fields["RssFile"].split()[0])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - mapped * 1024


def report(**figures):
    print(json.dumps(dict(anonymous_bytes=peak_anonymous(), **figures)), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["model", "step", "epochs"])
    parser.add_argument("model", help="Hugging Face directory")
    parser.add_argument("--data", help="JSONL rows with prompt and completion; for model: the GGUF file")
    parser.add_argument("--arm", default="full")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--steps", type=int, default=5, help="timed ones; for epochs: of all of them together")
    parser.add_argument("--blocks", type=int, default=40)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--save", help="where epochs saves the tuned model")
    args = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", os.cpu_count())))
    torch.manual_seed(1)
    {"model": make_model, "step": step, "epochs": epochs}[args.what](args)


if __name__ == "__main__":
    main()
