"""LoRA adapters against PEFT, in both directions, for each family; gradients too."""
import json
import math
import os

import peft
import torch
from safetensors.torch import load_file

from interop import VOCABULARY, check_logits, difference, folder, load, make_model, row, run_cases, salf
from check_export import FAMILIES, make_tokenizer

CASES = ["llama", "llama tied bf16", "qwen2", "qwen3", "gemma2", "phi3", "olmo2", "gpt2"]


def rows(path):
    with open(path, "w", encoding="utf-8") as out:
        for i in range(40):
            out.write(json.dumps({"prompt": f"What is {i} and {i}? ", "completion": f"It is {2 * i}, as everybody knows."}) + "\n")


def train(model, data, out, *more):
    salf("train", model, "--data", data, "--budget", "6steps", "--documents", "4", "--loss-positions", "0", "--batch-tokens", "256",
         "-o", out, *more)


def check_written(case, source, model, data, out):
    """PEFT loads what salf wrote; the merged archive says the same."""
    train(model, data, out, "--lora", "r=4,alpha=8", "--eof", "1", "--learning-rate", "0.01")
    adapted = peft.PeftModel.from_pretrained(load(source), f"{out}/adapter").eval()
    check_logits(f"{case}: salf's adapter in PEFT", torch.jit.load(f"{out}/model.pt"), adapted, VOCABULARY)
    moved = difference(load(source), adapted, VOCABULARY)
    row(f"{case}: the adapter matters", moved > 1e-3, f"logits move by {moved:.2f}")


def check_read(case, source, model, data, out):
    """salf uses, goes on from and merges what PEFT wrote."""
    base = load(source)
    adapted = peft.get_peft_model(base, peft.LoraConfig(r=4, lora_alpha=12, target_modules="all-linear", use_rslora=True,
                                                        task_type="CAUSAL_LM"))
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, tensor in adapted.named_parameters():
            if "lora_B" in name:
                tensor.copy_(0.05 * torch.randn(tensor.shape, generator=generator))
    adapted.eval()
    adapted.save_pretrained(f"{out}/theirs")
    loss = json.loads(salf("eval", model, "--data", data, "--adapter", f"{out}/theirs", "--split", "all", "--json"))["tokens"]["loss"]
    # Goes on from it; a learning rate of nothing changes nothing, and the saved archive has the adapter merged.
    train(model, data, f"{out}/run", "--adapter", f"{out}/theirs", "--learning-rate", "1e-9", "--weight-decay", "0")
    check_logits(f"{case}: PEFT's adapter in salf", torch.jit.load(f"{out}/run/model.pt"), adapted, VOCABULARY)
    again = json.loads(salf("eval", f"{out}/run", "--data", data, "--split", "all", "--json"))["tokens"]["loss"]
    row(f"{case}: loss with the adapter", math.isclose(loss["value"], again["value"], rel_tol=1e-4),
        f"{loss['value']:.4f} nats, merged {again['value']:.4f}")
    theirs = load_file(f"{out}/theirs/adapter_model.safetensors")
    ours = load_file(f"{out}/run/adapter/adapter_model.safetensors")
    row(f"{case}: the same tensors", set(theirs) == set(ours), f"{len(ours)} by PEFT's names")


def check_case(case):
    name, settings, style, dtype, _ = FAMILIES[case]
    place = folder("adapter", case.replace(" ", "-"))
    make_model(name, settings, make_tokenizer(style), dtype, 3, f"{place}/source")
    salf("import", f"{place}/source", "-o", f"{place}/model")
    rows(f"{place}/rows.jsonl")
    check_written(case, f"{place}/source", f"{place}/model", f"{place}/rows.jsonl", f"{place}/run")
    os.makedirs(f"{place}/peft")
    check_read(case, f"{place}/source", f"{place}/model", f"{place}/rows.jsonl", f"{place}/peft")


if __name__ == "__main__":
    run_cases(CASES, check_case)
