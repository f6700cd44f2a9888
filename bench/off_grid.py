#!/usr/bin/env python3
"""The same function with weights on no grid: off_grid.py SOURCE OUT (Hugging Face directories of a Llama)

The model that bench/run and the tests use comes from a Q4_1 file, so its weights lie on a 4-bit grid and quantising them
again would cost nothing. Here the residual stream is turned by a random orthogonal matrix Q and the scales of the norms
are folded into the products behind them, which leaves every logit what it was (RMSNorm commutes with a rotation), but
makes every weight a mixture of hundreds of others. The head is untied by that. Used to judge --frozen-dtype.
"""
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


@torch.no_grad()
def turn(model):
    config, base = model.config, model.model
    generator = torch.Generator().manual_seed(1)
    q, _ = torch.linalg.qr(torch.randn(config.hidden_size, config.hidden_size, generator=generator, dtype=torch.float64))

    def read_by(linear, scale):  # linear(scale * h) with h turned
        linear.weight.copy_((linear.weight.double() * scale.double()) @ q)

    def write_by(linear):
        linear.weight.copy_(q.T @ linear.weight.double())

    head = torch.nn.Linear(config.hidden_size, config.vocab_size, bias=False)
    head.weight.copy_(base.embed_tokens.weight)
    model.lm_head, config.tie_word_embeddings = head, False
    read_by(head, base.norm.weight)
    base.norm.weight.fill_(1.0)
    base.embed_tokens.weight.copy_(base.embed_tokens.weight.double() @ q)
    for layer in base.layers:
        for linear in (layer.self_attn.q_proj, layer.self_attn.k_proj, layer.self_attn.v_proj):
            read_by(linear, layer.input_layernorm.weight)
        for linear in (layer.mlp.gate_proj, layer.mlp.up_proj):
            read_by(linear, layer.post_attention_layernorm.weight)
        layer.input_layernorm.weight.fill_(1.0)
        layer.post_attention_layernorm.weight.fill_(1.0)
        write_by(layer.self_attn.o_proj)
        write_by(layer.mlp.down_proj)


source, out = sys.argv[1:]
model = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32).eval()
ids = torch.randint(5, model.config.vocab_size, (2, 32), generator=torch.Generator().manual_seed(2))
before = model(ids).logits
turn(model)
print(f"logits differ by at most {(model(ids).logits - before).abs().max():.1e}")
model.save_pretrained(out)
AutoTokenizer.from_pretrained(source).save_pretrained(out)
