"""Gradients of LoRA's matrices against PEFT's on the same batch, for each family, at cut 0 and above a cut.

salf shows them through one step of AdamW: without earlier moments, decay and clipping it moves a weight by
rate * g / (|g| + epsilon), which with an epsilon of 1 can be turned round. Both go on from an adapter whose B isn't zero, so
that A has a gradient too.
"""
import json

import peft
import torch
from safetensors.torch import load_file

from interop import TOLERANCE, folder, load, make_model, row, run_cases, salf
from check_adapter import CASES, rows
from check_export import FAMILIES, make_tokenizer

BLOCKS = 4
CUTS = (0, 2)


def make_adapter(source, cut, path):
    """PEFT's adapter of random A and B on blocks cut ..., saved in `path` and on its base"""
    settings = dict(r=4, lora_alpha=8, task_type="CAUSAL_LM")
    everywhere = peft.get_peft_model(load(source), peft.LoraConfig(target_modules="all-linear", **settings))
    # "all-linear" takes no layers_to_transform, nor do whole paths.
    names = sorted({name.split(".")[-1] for name in everywhere.peft_config["default"].target_modules})
    adapted = peft.get_peft_model(load(source), peft.LoraConfig(
        target_modules=names, layers_to_transform=list(range(cut, BLOCKS)), **settings))
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, tensor in sorted(adapted.named_parameters()):
            if "lora_" in name:
                tensor.copy_(0.1 * torch.randn(tensor.shape, generator=generator))
    adapted.save_pretrained(path)
    return adapted


def their_gradients(adapted, documents):
    """-> saved name -> gradient of the mean loss of all supervised tokens, of one batch padded on the right"""
    def padded(key):
        return torch.nn.utils.rnn.pad_sequence([torch.tensor(document[key]) for document in documents], batch_first=True)

    ids, loss = padded("ids"), padded("loss")
    present = torch.nn.utils.rnn.pad_sequence([torch.ones(len(document["ids"])) for document in documents], batch_first=True)
    logits = adapted(ids, attention_mask=present.long()).logits[:, :-1]
    losses = torch.nn.functional.cross_entropy(logits.transpose(1, 2), ids[:, 1:], reduction="none")
    ((losses * loss[:, 1:]).sum() / loss.sum()).backward()
    return {name.replace(".default", ""): tensor.grad for name, tensor in adapted.named_parameters() if "lora_" in name}


def our_gradients(model, data, start, out):
    """-> saved name -> gradient, from the step that salf made"""
    salf("train", model, "--data", data, "--adapter", start, "--budget", "1steps", "--learning-rate", "1", "--epsilon", "1",
         "--weight-decay", "0", "--clip", "0", "--dev-share", "0", "--test-share", "0", "--batch-tokens", "4096",
         "--documents", "4", "--loss-positions", "0", "-o", out)
    with open(f"{out}/metrics.jsonl", encoding="utf-8") as lines:
        step, = [line for line in map(json.loads, lines) if "loss" in line]
    before, after = (load_file(f"{place}/adapter_model.safetensors") for place in (start, f"{out}/adapter"))
    moved = {name: (before[name].double() - after[name].double()) / step["lr"] for name in before}
    return {name: move / (1.0 - move.abs()) for name, move in moved.items()}, step["supervised_tokens"]


def check_cut(case, place, cut):
    start, out = f"{place}/start-{cut}", f"{place}/run-{cut}"
    adapted = make_adapter(f"{place}/source", cut, start)
    shown = json.loads(salf("data", "preview", f"{place}/model", "--data", f"{place}/rows.jsonl", "--rows", "1000", "--json"))["rows"]
    ours, supervised = our_gradients(f"{place}/model", f"{place}/rows.jsonl", start, out)
    theirs = their_gradients(adapted, shown)
    same = set(ours) == set(theirs) and supervised == sum(sum(document["loss"]) for document in shown)
    scale = {name: gradient.abs().max().item() for name, gradient in theirs.items()}
    worst = max(((ours[name] - theirs[name]).abs().max().item() / scale[name] for name in theirs), default=1.0) if same else 1.0
    largest = max(scale.values())
    row(f"{case}: gradients above cut {cut}", same and largest > 1e-3 and worst < TOLERANCE,
        f"{len(theirs)} matrices, {supervised} tokens: differ by at most {worst:.1e} of each one's largest (of all: {largest:.2g})")


def check_case(case):
    name, settings, style, dtype, _ = FAMILIES[case]
    place = folder("gradient", case.replace(" ", "-"))
    layers = "n_layer" if name == "GPT2" else "num_hidden_layers"
    make_model(name, dict(settings, **{layers: BLOCKS}), make_tokenizer(style), dtype, 3, f"{place}/source")
    salf("import", f"{place}/source", "-o", f"{place}/model")
    rows(f"{place}/rows.jsonl")
    for cut in CUTS:
        check_cut(case, place, cut)


if __name__ == "__main__":
    run_cases(CASES, check_case)
