#!/usr/bin/env python3
"""GGUF files that llama.cpp's converter makes of tiny models of random weights, and transformers' logits.

    LLAMA_CPP=DIR python make_golden.py        (torch 2.11, transformers 5.17; DIR: vendor/llama.cpp of llama-cpp-python 0.3.36)

NAME.gguf is float32, NAME.safetensors holds `ids` [1, 40] and `logits` [1, 40, V]. Settings that a GGUF file does not have are
those that llama.cpp assumes. The first file is also split in three, by tensors.
"""
import importlib.util
import json
import os
import sys
import tempfile
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file

sys.path[:0] = [os.environ["LLAMA_CPP"], os.environ["LLAMA_CPP"] + "/gguf-py"]
import gguf  # noqa: E402
from conversion import get_model_class  # noqa: E402

HERE = Path(__file__).resolve().parent
spec = importlib.util.spec_from_file_location("hf", HERE.parent / "import_hf/make_golden.py")
hf = importlib.util.module_from_spec(spec)
spec.loader.exec_module(hf)

SPLIT = "qwen3"
PERIOD = ["sliding_attention"] * 5 + ["full_attention"]
LOCAL = dict(full_attention=dict(rope_type="linear", rope_theta=2000.0, factor=8.0),
             sliding_attention=dict(rope_type="default", rope_theta=300.0))
MODELS = {
    "qwen3": ("Qwen3", dict(hf.COMMON, head_dim=6, rope_parameters=dict(rope_type="default", rope_theta=500.0))),
    "gemma2": ("Gemma2", dict(hf.COMMON, head_dim=6, query_pre_attn_scalar=6, attn_logit_softcapping=2.0,
                              final_logit_softcapping=5.0, sliding_window=7)),
    "gemma3": ("Gemma3", dict(hf.COMMON, head_dim=6, query_pre_attn_scalar=6, num_hidden_layers=6, sliding_window=7,
                              intermediate_size=16, layer_types=PERIOD, rope_parameters=LOCAL)),
    "phi3": ("Phi3", dict(hf.COMMON, num_attention_heads=2, num_key_value_heads=2, original_max_position_embeddings=16,
                          rope_parameters=hf.LONG)),
    "olmo2": ("Olmo2", dict(hf.COMMON)),
    "olmo3": ("Olmo3", dict(hf.COMMON, num_hidden_layers=3, sliding_window=7, layer_types=hf.LAYERS, rope_parameters=dict(
        full_attention=hf.YARN, sliding_attention=dict(rope_type="default", rope_theta=500.0)))),
    "gpt2": ("GPT2", dict(vocab_size=32, n_positions=64, n_embd=16, n_layer=2, n_head=4, bos_token_id=0, eos_token_id=0)),
    "smollm3": ("SmolLM3", dict(hf.COMMON, num_hidden_layers=4, rope_parameters=dict(rope_type="default", rope_theta=500.0))),
    "granite": ("Granite", dict(hf.COMMON, embedding_multiplier=3.0, residual_multiplier=0.7, logits_scaling=1.5,
                                attention_multiplier=0.3, tie_word_embeddings=True)),
}


def write_vocabulary(writer):
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([chr(33 + i) for i in range(32)])
    writer.add_token_types([1] * 32)


def convert(folder, path, **options):
    config = json.load(open(f"{folder}/config.json"))
    converter = get_model_class(config["architectures"][0])(
        Path(folder), gguf.LlamaFileType.ALL_F32, path, model_name="tiny", eager=True, **options)
    converter.hparams.setdefault("n_ctx", config.get("n_positions"))
    converter.set_vocab = lambda: write_vocabulary(converter.gguf_writer)
    converter.write()


def main():
    for seed, (name, (kind, settings)) in enumerate(MODELS.items(), start=1):
        config = getattr(transformers, kind + ("TextConfig" if kind == "Gemma3" else "Config"))(**settings)
        kind = getattr(transformers, kind + ("LMHeadModel" if kind == "GPT2" else "ForCausalLM"))
        model = kind(config)
        hf.randomise(model, seed)
        with tempfile.TemporaryDirectory() as folder:
            model.save_pretrained(folder)
            vocabulary = {chr(33 + i): i for i in range(32)}
            json.dump({"model": {"vocab": vocabulary}, "added_tokens": []}, open(f"{folder}/tokenizer.json", "w"))
            model = kind.from_pretrained(folder, attn_implementation="eager").eval()
            ids = torch.randint(3, 32, (1, 40), generator=torch.Generator().manual_seed(seed))
            with torch.no_grad():
                save_file({"ids": ids, "logits": model(ids).logits.contiguous()}, HERE / f"{name}.safetensors")
            convert(folder, HERE / f"{name}.gguf")
            if name == SPLIT:
                convert(folder, HERE / f"{name}.gguf", split_max_tensors=9)


if __name__ == "__main__":
    main()
