#!/usr/bin/env python3
"""What a user would run instead of salf: transformers and PEFT on the same model, rows and machine. bench/run calls it.

    peer.py model GGUF DIR                     the GGUF file as a Hugging Face directory (float32)
    peer.py step DIR --data F --arm ARM        seconds of training steps of 4 x 256 packed tokens, all supervised
    peer.py epochs DIR --data F --arm ARM --epochs N --blocks N     seconds of N epochs, evaluation before and after
    peer.py tune DIR --data F --arm ARM --epochs N --lr X --save DIR     tunes on rows and saves the model, LoRA merged

ARM: full, freeze:N (blocks 1 to N and the embedding frozen), lora (rank 16 on all blocks), lora:N (above N).
Float32, or with --bf16 products in bfloat16 as transformers' bf16=True has them; fused AdamW, sdpa attention. The
result is one line of JSON.
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


def train_step(model, optimizer, ids, narrow=False):
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=narrow):
        loss = model(input_ids=ids, labels=ids).loss
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()


def step(args):
    blocks = read_blocks(args.model, args.data, BATCH * (args.steps + 2))
    model, trained = load(args.model, args.arm, args.compile)
    optimizer = torch.optim.AdamW(trained, lr=1e-5, fused=True)
    seconds = []
    for ids in blocks:
        start = time.perf_counter()
        train_step(model, optimizer, ids, args.bf16)
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


def tune(args):
    """Prompts masked, rows of like length together, at most 1,024 tokens a batch with padding; the rate rises over a
    twentieth of the steps and falls to 0 by a straight line, as transformers' Trainer has it."""
    from transformers import AutoTokenizer, get_linear_schedule_with_warmup
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    batches = read_batches(tokenizer, args.data)
    model, trained = load(args.model, args.arm, args.compile)
    optimizer = torch.optim.AdamW(trained, lr=args.lr, fused=True)
    total = args.epochs * len(batches)
    schedule = get_linear_schedule_with_warmup(optimizer, max(1, total // 20), total)
    start = time.perf_counter()
    for epoch in range(args.epochs):
        for i in torch.randperm(len(batches)).tolist():
            ids, labels, mask = batches[i]
            model(input_ids=ids, labels=labels, attention_mask=mask).loss.backward()
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
    seconds = time.perf_counter() - start
    memory = peak_anonymous()  # merging and saving are not what training needs
    if args.arm.startswith("lora"):
        model = model.merge_and_unload()
    model.save_pretrained(args.save)
    tokenizer.save_pretrained(args.save)
    print(json.dumps({"steps": total, "train_seconds": seconds, "anonymous_bytes": memory}), flush=True)


def read_batches(tokenizer, path):
    """-> (ids, labels, mask), each [B, T] int64, right-padded"""
    documents = []
    for row in map(json.loads, open(path)):
        prompt = tokenizer(row["prompt"]).input_ids
        completion = tokenizer(row["completion"]).input_ids + [tokenizer.eos_token_id]
        documents.append((prompt + completion, [-100] * len(prompt) + completion))
    documents.sort(key=lambda document: len(document[0]))
    batches = [[]]
    for document in documents:
        if (len(batches[-1]) + 1) * len(document[0]) > BATCH * TOKENS and batches[-1]:
            batches.append([])
        batches[-1].append(document)
    return [pad(batch) for batch in batches]


def pad(batch):
    longest = max(len(ids) for ids, _ in batch)
    rows = lambda lists, filler: torch.tensor([row + [filler] * (longest - len(row)) for row in lists])
    ids, labels = zip(*batch)
    return rows(ids, 0), rows(labels, -100), rows([[1] * len(row) for row in ids], 0)


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
    parser.add_argument("what", choices=["model", "step", "epochs", "tune"])
    parser.add_argument("model", help="Hugging Face directory")
    parser.add_argument("--data", help="JSONL rows with prompt and completion; for model: the GGUF file")
    parser.add_argument("--arm", default="full")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--bf16", action="store_true", help="products in bfloat16 (step)")
    parser.add_argument("--steps", type=int, default=5, help="timed ones; for epochs: of all of them together")
    parser.add_argument("--blocks", type=int, default=40)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--save", help="where epochs and tune save the tuned model")
    parser.add_argument("--lr", type=float, default=5e-5, help="of tune, at its height")
    args = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", os.cpu_count())))
    torch.manual_seed(1)
    {"model": make_model, "step": step, "epochs": epochs, "tune": tune}[args.what](args)


if __name__ == "__main__":
    main()
