#!/usr/bin/env python3
"""Makes the archives of tests/model/traces_test.cpp: what users bring, a few thousand parameters each.

Usage: make_traces.py [--all] [FOLDER]   (needs torch 2.11 and transformers 5.17; writes FAMILY-VARIANT.pt and
expected.json: a choice of the archives, or all of them)

expected.json has, of each archive, the logits' mean square of a fixed batch as Python computes them, so that a test
sees that the program loaded is the one that was saved.
"""
import io
import json
import math
import sys
import warnings
import zipfile
from pathlib import Path

import torch
import transformers
from torch import nn

VOCABULARY = 64
COMMON = dict(vocab_size=VOCABULARY, use_cache=False)
LLAMA = dict(COMMON, hidden_size=16, intermediate_size=24, num_hidden_layers=3, num_attention_heads=2,
             num_key_value_heads=1, max_position_embeddings=64)


def llama(**more):
    return transformers.LlamaConfig(**dict(LLAMA, **more))


CONFIGS = {
    "llama": lambda: llama(),
    "llama-tied": lambda: llama(tie_word_embeddings=True),
    "mistral": lambda: transformers.MistralConfig(**LLAMA, sliding_window=None),
    "qwen2": lambda: transformers.Qwen2Config(**LLAMA),
    "qwen3": lambda: transformers.Qwen3Config(**LLAMA, head_dim=8),
    "gemma2": lambda: transformers.Gemma2Config(**LLAMA, head_dim=8, sliding_window=4, query_pre_attn_scalar=8),
    "phi3": lambda: transformers.Phi3Config(**LLAMA, pad_token_id=0),
    "olmo2": lambda: transformers.Olmo2Config(**LLAMA),
    "gpt2": lambda: transformers.GPT2Config(**COMMON, n_embd=16, n_layer=3, n_head=2, n_positions=64),
    "neox": lambda: transformers.GPTNeoXConfig(**COMMON, hidden_size=16, intermediate_size=24, num_hidden_layers=3,
                                               num_attention_heads=2, max_position_embeddings=64),
    "opt": lambda: transformers.OPTConfig(**COMMON, hidden_size=16, ffn_dim=24, num_hidden_layers=3,
                                          num_attention_heads=2, max_position_embeddings=64, word_embed_proj_dim=16),
    "falcon": lambda: transformers.FalconConfig(**COMMON, hidden_size=16, num_hidden_layers=3, num_attention_heads=2,
                                                multi_query=True, alibi=False, new_decoder_architecture=False),
}


class Logits(nn.Module):
    """forward(input_ids[, attention_mask]) -> logits"""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask=None):
        return self.model(input_ids=input_ids, attention_mask=attention_mask).logits


class Tuple(Logits):
    def forward(self, input_ids, attention_mask=None):
        logits = super().forward(input_ids, attention_mask)
        return logits, logits.mean()


class Dict(Logits):
    def forward(self, input_ids, attention_mask=None):
        return {"logits": super().forward(input_ids, attention_mask)}


def randomise(model):
    """Weights large enough that a wrong graph shows, in steps of 1/32, which compress well."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            value = 0.25 * noise if parameter.dim() > 1 else parameter + 0.1 * noise
            parameter.copy_((value * 32).round() / 32)


def hugging_face(family, attention):
    torch.manual_seed(1)
    config = CONFIGS[family]()
    config._attn_implementation = attention
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation=attention).eval()
    randomise(model)
    return model


def batch():
    ids = torch.arange(2 * 9).reshape(2, 9) * 7 % (VOCABULARY - 4) + 3
    return ids, torch.ones_like(ids)


def traced(wrapper, masked):
    ids, mask = batch()
    arguments = (ids, mask) if masked else (ids,)
    with torch.no_grad():
        return torch.jit.trace(wrapper.eval(), arguments, check_trace=False, strict=False)


# --- written by hand, as in nanoGPT -----------------------------------------------------------------------------

class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.c_attn = nn.Linear(width, 3 * width)
        self.c_proj = nn.Linear(width, width)
        self.heads: int = heads

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, t, c = x.shape
        q, k, v = self.c_attn(x).split(c, dim=2)
        q = q.view(b, t, self.heads, c // self.heads).transpose(1, 2)
        k = k.view(b, t, self.heads, c // self.heads).transpose(1, 2)
        v = v.view(b, t, self.heads, c // self.heads).transpose(1, 2)
        scores = q @ k.transpose(-2, -1) / math.sqrt(k.size(-1))
        causal = torch.ones(t, t, device=x.device).tril() == 0
        scores = scores.masked_fill(causal, float("-inf"))
        y = torch.softmax(scores, dim=-1) @ v
        return self.c_proj(y.transpose(1, 2).contiguous().view(b, t, c))


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = Attention(width, heads)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Dropout(0.1), nn.Linear(2 * width, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class NanoGPT(nn.Module):
    """Blocks are called in a loop over a ModuleList, which scripting unrolls."""

    def __init__(self, width=16, heads=2, blocks=3, length=64, tied=True):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(VOCABULARY, width), nn.Embedding(length, width)
        self.h = nn.ModuleList([Block(width, heads) for _ in range(blocks)])
        self.ln_f = nn.LayerNorm(width)
        self.lm_head = nn.Linear(width, VOCABULARY, bias=False)
        if tied:
            self.lm_head.weight = self.wte.weight

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        x = self.wte(idx) + self.wpe(torch.arange(idx.size(1), device=idx.device))
        for block in self.h:
            x = block(x)
        return self.lm_head(self.ln_f(x))


class SequentialGPT(NanoGPT):
    """Blocks in an nn.Sequential."""

    def __init__(self):
        super().__init__(tied=False)
        self.h = nn.Sequential(*[Block(16, 2) for _ in range(3)])

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        x = self.wte(idx) + self.wpe(torch.arange(idx.size(1), device=idx.device))
        return self.lm_head(self.ln_f(self.h(x)))


# --- what cannot be cut, each for one reason ----------------------------------------------------------------------

class LoopGPT(NanoGPT):
    """The blocks again and again: a loop that scripting does not unroll."""

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        x = self.wte(idx)
        for _ in range(int(self.wpe.weight.size(0)) // 32):
            for block in self.h:
                x = block(x)
        return self.lm_head(x)


class InPlaceBlock(Block):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x += self.attn(self.ln_1(x))
        return x


class InPlaceGPT(NanoGPT):
    def __init__(self):
        super().__init__()
        self.h = nn.ModuleList([InPlaceBlock(16, 2) for _ in range(3)])


class SkipGPT(NanoGPT):
    """The first block's output is used again behind the last one."""

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        x = self.wte(idx)
        first = self.h[0](x)
        x = self.h[2](self.h[1](first))
        return self.lm_head(self.ln_f(x + first))


class Classifier(NanoGPT):
    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        x = self.wte(idx)
        for block in self.h:
            x = block(x)
        return x.mean(1)


class FixedLengthGPT(NanoGPT):
    """As a trace bakes it in: the example's length stands in the program."""

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        x = self.wte(idx) + self.wpe(torch.arange(9))
        for block in self.h:
            x = block(x)
        return self.lm_head(x)


class FixedBatchGPT(NanoGPT):
    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        x = self.wte(idx).reshape(2, -1, 16)
        for block in self.h:
            x = block(x)
        return self.lm_head(x)


class Encoder(NanoGPT):
    """Attends to the right as well."""

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        x = self.wte(idx)
        for block in self.h:
            x = block(x + x.mean(1, keepdim=True))
        return self.lm_head(x)


class DropoutGPT(NanoGPT):
    """Dropout that does not look at train or eval, as a trace in training mode has it."""

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        x = self.wte(idx)
        for block in self.h:
            x = torch.dropout(block(x), 0.5, True)
        return self.lm_head(x)


def by_hand(module, script=True):
    torch.manual_seed(2)
    model = module().eval()
    randomise(model)
    return torch.jit.script(model) if script else torch.jit.trace(model, batch()[:1], check_trace=False)


def archives():
    for family in CONFIGS:
        for attention in ("sdpa", "eager"):
            model = hugging_face(family, attention)
            yield f"{family}-{attention}-mask", True, lambda m=model: traced(Logits(m), True)
            if attention == "sdpa":
                yield f"{family}-{attention}", False, lambda m=model: traced(Logits(m), False)
    yield "llama-tuple", True, lambda: traced(Tuple(hugging_face("llama", "sdpa")), True)
    yield "gpt2-dict", True, lambda: traced(Dict(hugging_face("gpt2", "sdpa")), True)
    yield "nanogpt-script", False, lambda: by_hand(NanoGPT)
    yield "nanogpt-trace", False, lambda: by_hand(NanoGPT, script=False)
    yield "sequential-script", False, lambda: by_hand(SequentialGPT)
    for name, module in (("loop", LoopGPT), ("inplace", InPlaceGPT), ("skip", SkipGPT), ("classifier", Classifier),
                         ("length", FixedLengthGPT), ("batch", FixedBatchGPT), ("encoder", Encoder),
                         ("dropout", DropoutGPT)):
        yield f"refused-{name}", False, lambda m=module: by_hand(m)


# Those in the repository; --all makes every one.
COMMITTED = ("llama-sdpa", "llama-sdpa-mask", "llama-tied-eager-mask", "llama-tuple", "mistral-sdpa-mask", "qwen2-sdpa",
             "qwen3-sdpa-mask", "gemma2-sdpa", "gemma2-eager-mask", "phi3-sdpa", "olmo2-sdpa-mask", "gpt2-sdpa",
             "gpt2-dict", "neox-eager-mask", "opt-sdpa-mask", "falcon-sdpa", "nanogpt-script", "nanogpt-trace",
             "sequential-script")


def save(program, path):
    """Compressed, and without the line numbers of this script: a tenth of the size."""
    whole = io.BytesIO()
    torch.jit.save(program, whole)
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for entry in source.infolist():
            if not entry.filename.endswith(".debug_pkl"):
                target.writestr(zipfile.ZipInfo(entry.filename), source.read(entry), zipfile.ZIP_DEFLATED)


def logits_of(result):
    if isinstance(result, dict):
        return result["logits"]
    return result[0] if isinstance(result, tuple) else result


def main():
    warnings.filterwarnings("ignore")
    arguments = [argument for argument in sys.argv[1:] if argument != "--all"]
    folder = Path(arguments[0] if arguments else Path(__file__).parent)
    folder.mkdir(parents=True, exist_ok=True)
    expected = {}
    for name, masked, make in archives():
        if "--all" not in sys.argv and name not in COMMITTED and not name.startswith("refused"):
            continue
        try:
            program = make()
        except Exception as error:  # a family that this version cannot trace
            print(f"{name}: not made: {type(error).__name__}: {str(error)[:200]}", file=sys.stderr)
            continue
        save(program, folder / f"{name}.pt")
        if name.startswith("refused"):
            continue
        ids, mask = batch()
        with torch.no_grad():
            logits = logits_of(program(ids, mask) if masked else program(ids))
        expected[name] = {"mean_square": float(logits.square().mean()), "masked": masked}
    (folder / "expected.json").write_text(json.dumps(expected, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
