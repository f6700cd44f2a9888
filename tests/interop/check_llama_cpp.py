"""GGUF files that salf writes against llama.cpp: logits of every family, and text of SmolLM2. Needs PyPI's llama-cpp-python
(tests/interop/run --llama-cpp builds it); run after check_export.py, whose files it reads."""
import glob
import os
import sys

import numpy
import torch

from interop import SMOLLM2, VOCABULARY, WORK, load, row

try:
    import llama_cpp
except ImportError:
    row("llama.cpp", True, "skipped: llama-cpp-python is not installed (--llama-cpp builds it)")
    sys.exit(0)

F32 = 0  # ggml's type, of llama.cpp's cache
# llama.cpp looks up GELU in a table of half floats.
GELU_TOLERANCE, TOLERANCE = 1e-2, 1e-3


def open_gguf(path, **more):
    return llama_cpp.Llama(model_path=path, n_ctx=128, n_threads=2, type_k=F32, type_v=F32, verbose=False, seed=1, **more)


def check_family(path):
    case = os.path.basename(os.path.dirname(os.path.dirname(path)))
    ids = torch.randint(3, VOCABULARY - 7, (1, 24), generator=torch.Generator().manual_seed(5))
    theirs = open_gguf(path, logits_all=True)
    theirs.eval(ids[0].tolist())
    with torch.no_grad():
        ours = load(os.path.join(os.path.dirname(os.path.dirname(path)), "source"))(ids).logits[0].numpy()
    largest = numpy.abs(theirs.scores[:24] - ours).max()
    row(f"{case}: llama.cpp's logits", largest < (GELU_TOLERANCE if case.startswith(("gpt2", "gemma2")) else TOLERANCE),
        f"differ by at most {largest:.1e}, of size {numpy.abs(ours).max():.0f}")


def check_text():
    path = os.path.join(WORK, "export/smollm2/model.gguf")
    ours, theirs = open_gguf(path), open_gguf(SMOLLM2)
    answers = [model.create_chat_completion([{"role": "user", "content": "What is 2+3?"}], max_tokens=12, temperature=0)
               ["choices"][0]["message"]["content"] for model in (ours, theirs)]
    row("SmolLM2: llama.cpp's answer", "5" in answers[0], repr(answers[0]))
    text = "The capital of France is"
    completions = [model(text, max_tokens=8, temperature=0)["choices"][0]["text"] for model in (ours, theirs)]
    row("SmolLM2: llama.cpp's completion", "Paris" in completions[0], repr(completions[0]))
    line = "Hello world, it's 1234 tokens!\n  def f(x): caf\u00e9".encode()
    row("SmolLM2: llama.cpp's ids", ours.tokenize(line, add_bos=False) == theirs.tokenize(line, add_bos=False),
        "those of the file that was imported")


def main():
    files = sorted(glob.glob(os.path.join(WORK, "export/*/out/model.gguf")))
    if not files:
        row("llama.cpp", False, "there are no files: run the export check first")
    for path in files:
        check_family(path)
    if os.path.exists(SMOLLM2):
        check_text()


if __name__ == "__main__":
    main()
