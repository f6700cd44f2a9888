#!/usr/bin/env python3
"""Tiny Hugging Face directories of random weights, and the logits that transformers computes with them.

    python make_golden.py [FOLDER...]        (torch 2.11, transformers 5.17)

Each folder holds what save_pretrained writes (config.json, *.safetensors) and expected.safetensors: `ids.N` [1, T] and
`logits.N` [1, T, V] for several lengths, and a batch of two rows padded on either side: `left.ids`, `left.mask`,
`left.logits` (`right.…` likewise; logits at padding are of no meaning). Attention is transformers' plain one ("eager"),
in float32, on the directory as it was saved.
"""
import os
import shutil
import sys

import torch
import transformers
from safetensors.torch import save_file

LENGTHS = (1, 6, 19, 40)  # windows are 7, the rotary scalings begin at 16
PADDED = (19, 12)         # tokens of the two rows of a padded batch

COMMON = dict(vocab_size=32, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4,
              num_key_value_heads=2, max_position_embeddings=64, bos_token_id=1, eos_token_id=2, pad_token_id=0)
LLAMA3 = dict(rope_type="llama3", rope_theta=10000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=16)
LONG = dict(rope_type="longrope", rope_theta=10000.0, partial_rotary_factor=0.5, original_max_position_embeddings=16,
            short_factor=[1.0, 1.3], long_factor=[1.1, 4.0])

LAYERS = ["sliding_attention", "full_attention", "sliding_attention"]
GEMMA3 = dict(full_attention=dict(rope_type="linear", rope_theta=2000.0, factor=8.0),
              sliding_attention=dict(rope_type="default", rope_theta=300.0))
YARN = dict(rope_type="yarn", rope_theta=500.0, factor=4.0, original_max_position_embeddings=16, beta_fast=4.0, beta_slow=0.5)

# folder: (model class, configuration, dtype in the file, largest shard)
MODELS = {
    "llama": ("Llama", dict(COMMON, rope_parameters=LLAMA3, rms_norm_eps=1e-5), torch.float32, "16KB"),
    "llama_biased": ("Llama", dict(COMMON, head_dim=6, attention_bias=True, mlp_bias=True, hidden_act="gelu",
                                   rope_parameters=dict(rope_type="linear", rope_theta=500.0, factor=4.0)), torch.float16, None),
    "smollm2": ("Llama", dict(COMMON, tie_word_embeddings=True, rope_parameters=dict(rope_type="default", rope_theta=1e5)),
                torch.bfloat16, None),
    "mistral": ("Mistral", dict(COMMON, head_dim=6, sliding_window=7), torch.float32, None),
    "qwen2": ("Qwen2", dict(COMMON, tie_word_embeddings=True), torch.bfloat16, None),
    "qwen2_window": ("Qwen2", dict(COMMON, use_sliding_window=True, sliding_window=7, max_window_layers=1), torch.float32, None),
    "qwen3": ("Qwen3", dict(COMMON, head_dim=6, tie_word_embeddings=True), torch.float32, None),
    "gemma2": ("Gemma2", dict(COMMON, head_dim=6, num_hidden_layers=3, query_pre_attn_scalar=3, attn_logit_softcapping=2.0,
                              final_logit_softcapping=5.0, sliding_window=7), torch.float32, None),
    "gemma2_uncapped": ("Gemma2", dict(COMMON, head_dim=6, query_pre_attn_scalar=3, attn_logit_softcapping=None,
                                       final_logit_softcapping=None, sliding_window=7, attention_bias=True), torch.float32, None),
    "phi3": ("Phi3", dict(COMMON, sliding_window=7, original_max_position_embeddings=64), torch.float32, None),
    "phi3_longrope": ("Phi3", dict(COMMON, num_attention_heads=2, num_key_value_heads=2, original_max_position_embeddings=16,
                                   rope_parameters=LONG), torch.float32, None),
    "olmo2": ("Olmo2", dict(COMMON), torch.float32, None),
    "gpt2": ("GPT2", dict(vocab_size=32, n_positions=64, n_embd=16, n_layer=2, n_head=4, bos_token_id=0, eos_token_id=0),
             torch.float32, None),
    "gpt2_variant": ("GPT2", dict(vocab_size=32, n_positions=64, n_embd=16, n_layer=2, n_head=4, n_inner=24,
                                  activation_function="relu", scale_attn_by_inverse_layer_idx=True, tie_word_embeddings=False,
                                  bos_token_id=0, eos_token_id=0), torch.float32, None),
    "llama_yarn": ("Llama", dict(COMMON, head_dim=8, rope_parameters=YARN), torch.float32, None),
    "qwen3_dynamic": ("Qwen3", dict(COMMON, head_dim=6, rope_parameters=dict(rope_type="dynamic", rope_theta=500.0, factor=2.0)),
                      torch.float32, None),
    "gemma3": ("Gemma3", dict(COMMON, head_dim=6, num_hidden_layers=3, query_pre_attn_scalar=3, sliding_window=7,
                              final_logit_softcapping=5.0, layer_types=LAYERS, rope_parameters=GEMMA3), torch.float32, None),
    "smollm3": ("SmolLM3", dict(COMMON, num_hidden_layers=3, no_rope_layers=[1, 0, 1],
                                rope_parameters=dict(rope_type="default", rope_theta=500.0)), torch.bfloat16, None),
    "granite": ("Granite", dict(COMMON, embedding_multiplier=3.0, residual_multiplier=0.7, logits_scaling=1.5,
                                attention_multiplier=0.3, tie_word_embeddings=True), torch.float32, None),
    "olmo3": ("Olmo3", dict(COMMON, num_hidden_layers=3, sliding_window=7, layer_types=LAYERS, rope_parameters=dict(
        full_attention=YARN, sliding_attention=dict(rope_type="default", rope_theta=500.0))), torch.float32, None),
}


def randomise(model, seed):
    """Weights large enough that a wrong detail shows in the logits."""
    generator = torch.Generator().manual_seed(seed)
    gemma = model.config.model_type.startswith("gemma")
    for name, tensor in sorted(model.named_parameters()):
        noise = torch.randn(tensor.shape, generator=generator)
        norm = "norm" in name or ".ln_" in name
        with torch.no_grad():
            if norm and name.endswith("weight"):
                tensor.copy_(0.3 * noise + (0.0 if gemma else 1.0))
            else:
                tensor.copy_(noise * (0.6 if "embed" in name or ".wte" in name or ".wpe" in name else 0.3))


def padded_batch(rows, left):
    length = max(len(row) for row in rows)
    ids = torch.zeros(len(rows), length, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for i, row in enumerate(rows):
        start = length - len(row) if left else 0
        ids[i, start:start + len(row)] = row
        mask[i, start:start + len(row)] = 1
    return ids, mask


@torch.no_grad()
def expected(model, seed):
    generator = torch.Generator().manual_seed(seed)
    draw = lambda n: torch.randint(3, model.config.vocab_size, (n,), generator=generator)
    tensors = {}
    for i, length in enumerate(LENGTHS):
        ids = draw(length)[None]
        tensors[f"ids.{i}"], tensors[f"logits.{i}"] = ids, model(ids).logits
    rows = [draw(n) for n in PADDED]
    for side in ("left", "right"):
        ids, mask = padded_batch(rows, side == "left")
        positions = (mask.cumsum(-1) - 1).clamp(min=0)  # as generate() gives them
        tensors[f"{side}.ids"], tensors[f"{side}.mask"] = ids, mask
        tensors[f"{side}.logits"] = model(ids, attention_mask=mask, position_ids=positions).logits
    return {name: tensor.contiguous() for name, tensor in tensors.items()}


def main():
    os.chdir(os.path.dirname(os.path.abspath(__file__)))
    for seed, (folder, (name, settings, dtype, shard)) in enumerate(MODELS.items(), start=1):
        if sys.argv[1:] and folder not in sys.argv[1:]:
            continue
        config = getattr(transformers, name + ("TextConfig" if name == "Gemma3" else "Config"))(**settings)
        model_class = getattr(transformers, name + ("LMHeadModel" if name == "GPT2" else "ForCausalLM"))
        model = model_class(config)
        randomise(model, seed)
        shutil.rmtree(folder, ignore_errors=True)
        model.to(dtype).save_pretrained(folder, max_shard_size=shard or "1GB")
        loaded = model_class.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
        if os.path.exists(f"{folder}/generation_config.json"):
            os.remove(f"{folder}/generation_config.json")
        save_file(expected(loaded, 100 + seed), f"{folder}/expected.safetensors")
        logits = expected(loaded, 100 + seed)["logits.3"]
        print(f"{folder:14} {sum(p.numel() for p in loaded.parameters()):6} weights, logits of size {logits.std():.2f}")


if __name__ == "__main__":
    main()
