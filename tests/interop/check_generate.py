"""salf generate against transformers' generate(): greedy text of 200 tokens in f32, for each family and SmolLM2."""
import json
import os

import torch
import transformers

from check_export import FAMILIES, make_tokenizer
from interop import SMOLLM2, folder, load, make_model, row, run_cases, salf

TOKENS = 200
PROMPT = "The quick brown fox"


def expected(model, tokenizer, prompt):
    """-> the text that transformers writes, up to the end token"""
    ids = tokenizer(prompt, return_tensors="pt").input_ids
    made = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=TOKENS, do_sample=False)
    ids = made[0].tolist()
    first = tokenizer(prompt).input_ids
    while ids and ids[-1] == tokenizer.eos_token_id and len(ids) > len(first):
        ids.pop()
    return tokenizer.decode(ids)[len(tokenizer.decode(first)):], len(ids) - len(first)


def compare(case, model_directory, model, tokenizer, prompt):
    text, count = expected(model, tokenizer, prompt)
    made = json.loads(salf("generate", model_directory, "--prompt", prompt, "--dtype", "f32", "-n", str(TOKENS), "--json"))
    answer = made["answers"][0]["answer"]
    row(case, made["cached"] and answer["text"] == text,
        f"{answer['tokens']} tokens of transformers' {count}, {'with' if made['cached'] else 'without'} a cache")


def check_family(case):
    name, settings, style, dtype, _ = FAMILIES[case]
    path = folder("generate", case.replace(" ", "-"))
    source = os.path.join(path, "source")
    tokenizer = make_tokenizer(style)
    make_model(name, settings, tokenizer, dtype, 11, source)
    salf("import", source, "-o", os.path.join(path, "model"))
    compare(case, os.path.join(path, "model"), load(source), tokenizer, PROMPT)


def check_smollm2():
    path = folder("generate", "smollm2")
    salf("import", SMOLLM2, "-o", os.path.join(path, "model"))
    salf("export", os.path.join(path, "model"), "--to", "hf", "-o", os.path.join(path, "hf"))
    hf = os.path.join(path, "hf")
    tokenizer = transformers.AutoTokenizer.from_pretrained(hf)
    compare("SmolLM2", os.path.join(path, "model"), load(hf), tokenizer, "The history of the lighthouse")


def main():
    run_cases(["llama", "mistral", "qwen2", "qwen3", "gemma2 small heads", "phi3", "olmo2", "gpt2"], check_family)
    if os.path.exists(SMOLLM2):
        check_smollm2()


if __name__ == "__main__":
    main()
