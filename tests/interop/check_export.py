"""salf export and import against transformers and gguf, in both directions, for each family."""
import os

import gguf
import numpy
import torch
import transformers
from safetensors import safe_open

from interop import SMOLLM2, TEXT, VOCABULARY, byte_level, check_logits, folder, load, make_model, pieces, row, run_cases, salf

COMMON = dict(vocab_size=VOCABULARY, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
              num_key_value_heads=2, max_position_embeddings=256, bos_token_id=1, eos_token_id=2, pad_token_id=0)
TIED = dict(COMMON, tie_word_embeddings=True)


LLAMA3 = dict(rope_type="llama3", rope_theta=10000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=16)
LINEAR = dict(rope_type="linear", rope_theta=500.0, factor=4.0)


def rope(theta):
    return dict(rope_parameters=dict(rope_type="default", rope_theta=theta))


def gpt2(**more):
    return dict(vocab_size=VOCABULARY, n_positions=1024, n_embd=64, n_layer=2, n_head=4, bos_token_id=1, eos_token_id=2, **more)


# case: (class, settings, tokenizer, dtype, GGUF's architecture)
# transformers takes head_dim of qwen3 and gemma2, gemma2's scale and gpt2's positions from its defaults, not from the file.
FAMILIES = {
    "llama": ("Llama", dict(COMMON, rms_norm_eps=1e-5, **rope(5e5)), "smollm", torch.float32, "llama"),
    "llama tied bf16": ("Llama", dict(TIED, **rope(1e5)), "smollm", torch.bfloat16, "llama"),
    "llama pieces f16": ("Llama", COMMON, "pieces", torch.float16, "llama"),
    "mistral": ("Mistral", dict(COMMON, head_dim=24, sliding_window=None), "pieces", torch.float32, "llama"),
    "qwen2": ("Qwen2", dict(TIED, **rope(1e6)), "qwen2", torch.bfloat16, "qwen2"),
    "qwen3": ("Qwen3", dict(COMMON, head_dim=128), "qwen2", torch.float32, "qwen3"),
    "gemma2": ("Gemma2", dict(COMMON, head_dim=256, sliding_window=16), "pieces without space", torch.float32, "gemma2"),
    "phi3": ("Phi3", COMMON, "pieces", torch.float32, "phi3"),
    "olmo2": ("Olmo2", COMMON, "smollm", torch.float32, "olmo2"),
    "llama3 positions": ("Llama", dict(COMMON, rope_parameters=LLAMA3), "smollm", torch.float32, "llama"),
    "llama3.1 positions": ("Llama", dict(COMMON, head_dim=32, rope_parameters=dict(
        LLAMA3, rope_theta=500000.0, original_max_position_embeddings=8192)), "smollm", torch.float32, "llama"),
    "linear positions": ("Llama", dict(COMMON, rope_parameters=LINEAR), "smollm", torch.float32, "llama"),
    "gemma2 small heads": ("Gemma2", dict(COMMON, head_dim=32, query_pre_attn_scalar=32, num_hidden_layers=3, sliding_window=16,
                                          attn_logit_softcapping=2.0, final_logit_softcapping=5.0),
                           "pieces without space", torch.float32, "gemma2"),
    "phi3 half turned": ("Phi3", dict(COMMON, rope_parameters=dict(rope_type="default", rope_theta=1e4, partial_rotary_factor=0.5)),
                         "pieces", torch.float32, "phi3"),
    "gpt2": ("GPT2", gpt2(), "gpt2", torch.float32, "gpt2"),
    "gpt2 untied": ("GPT2", gpt2(tie_word_embeddings=False), "gpt2", torch.float32, "gpt2"),
}
IMPORTED_FROM_GGUF = ("llama", "qwen2")
# What transformers' GGUF loader does not know: an architecture, and keys that it does not read. llama.cpp does.
NOT_LOADED_FROM_GGUF = ("olmo2", "llama3 positions", "llama3.1 positions", "linear positions", "gemma2 small heads", "phi3 half turned")


def make_tokenizer(style):
    return pieces(style == "pieces") if style.startswith("pieces") else byte_level(style)


def stored(path):
    """tensor name -> (dtype, bytes) of model.safetensors"""
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    return {name: (tensor.dtype, tensor.contiguous().view(torch.uint8).numpy().tobytes()) for name, tensor in tensors.items()}


def check_hf(case, source, model, out):
    salf("export", model, "--to", "hf", "-o", out)
    before, after = stored(f"{source}/model.safetensors"), stored(f"{out}/model.safetensors")
    row(f"{case}: hf bytes", before == after, f"{len(after)} tensors as in the source" if before == after else "they differ")
    check_logits(f"{case}: hf logits", load(source), load(out), VOCABULARY)
    check_logits(f"{case}: hf and TorchScript", torch.jit.load(f"{model}/model.pt"), load(out), VOCABULARY)
    theirs, ours = (transformers.AutoTokenizer.from_pretrained(path) for path in (source, out))
    conversation = [{"role": "user", "content": TEXT}]
    same = (theirs(TEXT).input_ids == ours(TEXT).input_ids and theirs.eos_token_id == ours.eos_token_id and
            theirs.apply_chat_template(conversation, tokenize=False) == ours.apply_chat_template(conversation, tokenize=False))
    row(f"{case}: hf tokenizer", same, "ids, end and chat template")


def check_quantised(case, model, path):
    """Every tensor of the F16 and Q8_0 files is what the gguf package makes of the F32 file's."""
    exact = gguf.GGUFReader(path)
    for flag, kind in (("f16", gguf.GGMLQuantizationType.F16), ("q8_0", gguf.GGMLQuantizationType.Q8_0)):
        other = path.replace(".gguf", f"-{flag}.gguf")
        salf("export", model, "--to", "gguf", "--type", flag, "-o", other)
        wrong, matrices = [], 0
        for before, after in zip(exact.tensors, gguf.GGUFReader(other).tensors, strict=True):
            expected = gguf.quants.quantize(before.data, after.tensor_type)
            matrices += after.tensor_type == kind
            if not numpy.array_equal(expected.view(numpy.uint8).reshape(-1), after.data.view(numpy.uint8).reshape(-1)):
                wrong.append(after.name)
        row(f"{case}: {flag} bytes", not wrong and matrices, f"{matrices} matrices as the gguf package's" if not wrong else f"{wrong}")


def check_gguf(case, architecture, source, model, out):
    path = f"{out}/model.gguf"
    salf("export", model, "--to", "gguf", "--type", "f32", "-o", path)
    reader = gguf.GGUFReader(path)
    arch = next(key for key, name in gguf.MODEL_ARCH_NAMES.items() if name == architecture)
    known = {gguf.TENSOR_NAMES[tensor] for tensor in gguf.MODEL_TENSORS[arch]}
    unknown = [tensor.name for tensor in reader.tensors
               if ".".join(["blk", "{bid}", tensor.name.split(".")[2]] if tensor.name.startswith("blk.") else [tensor.name.split(".")[0]])
               not in known]
    row(f"{case}: gguf names", not unknown, f"{len(reader.tensors)} tensors" if not unknown else f"unknown: {unknown}")
    if case not in NOT_LOADED_FROM_GGUF:
        check_logits(f"{case}: gguf logits", load(source), load(out, gguf_file="model.gguf"), VOCABULARY)
    check_quantised(case, model, path)
    if architecture not in IMPORTED_FROM_GGUF:
        return
    salf("import", path, "-o", f"{out}/again")
    same = stored_parameters(f"{out}/again") == stored_parameters(model)
    row(f"{case}: gguf imported again", same, "bit for bit" if same else "tensors differ")
    if case == "llama3 positions":  # the divisors in a GGUF file do not tell what made them, unless it is Llama 3.1
        return
    salf("export", f"{out}/again", "--to", "hf", "-o", f"{out}/again-hf")
    check_logits(f"{case}: gguf, imported, hf", load(source), load(f"{out}/again-hf"), VOCABULARY)
    theirs, ours = (transformers.AutoTokenizer.from_pretrained(name) for name in (source, f"{out}/again-hf"))
    row(f"{case}: gguf tokenizer", theirs(TEXT).input_ids == ours(TEXT).input_ids and ours.chat_template == theirs.chat_template,
        "ids and chat template after gguf and import")


def stored_parameters(model):
    return {name: tensor.detach().numpy().tobytes() for name, tensor in torch.jit.load(f"{model}/model.pt").named_parameters()}


def check_family(case, number):
    name, settings, style, dtype, architecture = FAMILIES[case]
    source, out = folder("export", case, "source"), folder("export", case, "out")
    make_model(name, settings, make_tokenizer(style), dtype, number, source)
    salf("import", source, "-o", f"{out}/model")
    check_hf(case, source, f"{out}/model", f"{out}/hf")
    check_gguf(case, architecture, source, f"{out}/model", out)


def check_smollm2():
    """A real model, which others wrote as GGUF."""
    out = folder("export", "smollm2")
    salf("import", SMOLLM2, "-o", f"{out}/model")
    theirs = load(os.path.dirname(SMOLLM2), gguf_file=os.path.basename(SMOLLM2))
    salf("export", f"{out}/model", "--to", "hf", "-o", f"{out}/hf")
    check_logits("SmolLM2: gguf, imported, hf", theirs, load(f"{out}/hf"), 49152, 2e-4)
    salf("export", f"{out}/model", "--to", "gguf", "--type", "f32", "-o", f"{out}/model.gguf")
    check_logits("SmolLM2: gguf, imported, gguf", theirs, load(out, gguf_file="model.gguf"), 49152, 2e-4)


def main():
    numbers = {case: number for number, case in enumerate(FAMILIES)}
    run_cases(FAMILIES, lambda case: check_family(case, numbers[case]))
    if os.path.exists(SMOLLM2):
        check_smollm2()


if __name__ == "__main__":
    main()
