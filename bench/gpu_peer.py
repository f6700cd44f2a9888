#!/usr/bin/env python3
"""What a user would run on a GPU instead of salf: transformers with sdpa and torch.compile, and PEFT. bench/gpu calls it.

    gpu_peer.py model DIR --shape NAME       a random Llama with a tokenizer of bytes, and DIR/rows.jsonl, a block a row
    gpu_peer.py peak                         bfloat16 FLOP/s of a large matrix product
    gpu_peer.py step DIR --arm ARM           seconds of a training step of --batch blocks of --tokens tokens

ARM: full, freeze:N (blocks 1 to N and the embedding frozen), lora (rank 16 on all blocks), lora:N (above N). Products
are bfloat16 by autocast; trained weights are float32, and what LoRA leaves alone is bfloat16. Fused AdamW, clipping as
salf does it. Blocks are compiled one by one. The result is one line of JSON.
"""
import argparse
import ctypes
import json
import os
import random
import time

import torch

SHAPES = {  # width, inner, blocks, heads, key heads, tokens of the vocabulary
    "smollm2": (576, 1536, 30, 9, 3, 49152),
    "llama": (2048, 8192, 16, 32, 8, 128256),
    "tiny": (64, 128, 4, 4, 2, 512),
}


def make_model(args):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import AutoModelForCausalLM, LlamaConfig, PreTrainedTokenizerFast
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={text: i for i, text in enumerate(["<|end|>", *letters])}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<|end|>"])
    width, inner, blocks, heads, key_heads, vocabulary = SHAPES[args.shape]
    config = LlamaConfig(
        hidden_size=width, intermediate_size=inner, num_hidden_layers=blocks, num_attention_heads=heads,
        num_key_value_heads=key_heads, vocab_size=vocabulary, max_position_embeddings=2048, tie_word_embeddings=True,
        eos_token_id=0, bos_token_id=None)
    with torch.device(args.device):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.save_pretrained(args.model)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>").save_pretrained(args.model)
    letter = random.Random(1)
    with open(os.path.join(args.model, "rows.jsonl"), "w") as rows:
        for _ in range(args.rows):  # with the end of sequence a block
            text = "".join(letter.choices("abcdefghijklmnopqrstuvwxyz ", k=args.tokens - 1))
            rows.write(json.dumps({"prompt": text[:1], "completion": text[1:]}) + "\n")
    print(json.dumps({"parameters": sum(parameter.numel() for parameter in model.parameters())}))


def wait(device):
    if device == "cuda":
        torch.cuda.synchronize()


def peak(args):
    size = 8192 if args.device == "cuda" else 256
    a, b = (torch.randn(size, size, device=args.device).to(torch.bfloat16) for _ in range(2))
    best = float("inf")
    for _ in range(20):
        wait(args.device)
        start = time.perf_counter()
        for _ in range(5):
            a @ b
        wait(args.device)
        best = min(best, (time.perf_counter() - start) / 5)
    print(json.dumps({"flops_per_second": 2 * size**3 / best}))


def load(args):
    from transformers import AutoModelForCausalLM
    kind, _, number = args.arm.partition(":")
    dtype = torch.bfloat16 if kind == "lora" else torch.float32
    model = AutoModelForCausalLM.from_pretrained(args.model, attn_implementation="sdpa", dtype=dtype).to(args.device)
    model.config.use_cache = False
    model.train()
    blocks = model.model.layers
    if kind == "freeze":
        model.requires_grad_(False)
        for part in [*blocks[int(number):], model.model.norm]:
            part.requires_grad_(True)
    if kind == "lora":
        from peft import LoraConfig, get_peft_model
        targets = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
        some = {"layers_to_transform": list(range(int(number or 0), len(blocks))), "layers_pattern": "layers"}
        model = get_peft_model(model, LoraConfig(r=16, lora_alpha=32, target_modules=targets, **some))
    if args.compile != "no":
        for block in blocks:
            block.compile(backend=args.compile)
    return model, [parameter for parameter in model.parameters() if parameter.requires_grad]


def waits():
    """Of this process for the GPU until now, where count_waits is preloaded."""
    try:
        return ctypes.CDLL(None).salf_waits()
    except AttributeError:
        return 0


def step(args):
    torch.manual_seed(1)
    model, trained = load(args)
    optimizer = torch.optim.AdamW(trained, lr=1e-5, fused=True)
    batches = torch.randint(1, 257, (args.steps, args.batch, args.tokens)).pin_memory() if args.device == "cuda" else \
        torch.randint(1, 257, (args.steps, args.batch, args.tokens))
    marks = []
    for ids in batches:
        ids = ids.to(args.device, non_blocking=True)
        with torch.autocast(args.device, dtype=torch.bfloat16):
            loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        # Only then is the step's time known; the wait for it is the bench's own.
        own = waits()
        wait(args.device)
        marks.append((time.perf_counter(), own, waits()))
    timed = range(args.steps // 2, args.steps)
    seconds = sorted(marks[i][0] - marks[i - 1][0] for i in timed)
    print(json.dumps({"seconds": seconds[len(seconds) // 2], "loss": loss.item(),
                      "waits": sum(marks[i][1] - marks[i - 1][2] for i in timed) / len(timed)}))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["model", "peak", "step"])
    parser.add_argument("model", nargs="?", help="Hugging Face directory")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--shape", choices=list(SHAPES))
    parser.add_argument("--rows", type=int, default=32)
    parser.add_argument("--arm", default="full")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=1024)
    parser.add_argument("--steps", type=int, default=14, help="the second half is timed")
    parser.add_argument("--compile", default="inductor", help="torch.compile's backend, or no")
    args = parser.parse_args()
    {"model": make_model, "peak": peak, "step": step}[args.what](args)


if __name__ == "__main__":
    main()
