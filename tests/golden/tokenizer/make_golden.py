#!/usr/bin/env python3
"""Makes the golden files of tests/data/tokenizer_test.cpp with Hugging Face's tokenizers (0.23.3).

Per split rule one small tokenizer (RULE/tokenizer.json), and ids.json: lines and the ids that Hugging Face
gives them. Run it in this folder: python make_golden.py
"""
import json
import os
import random

from tokenizers import AddedToken, Regex, Tokenizer
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
          r"|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace("{1,3}", "")


def byte_level(use_regex):
    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=use_regex)


def split(pattern, behavior, invert=False):
    return pre_tokenizers.Split(pattern, behavior, invert)


def sequence(*parts):
    return pre_tokenizers.Sequence(list(parts))


RULES = {
    "gpt2": (None, byte_level(True)),
    "smollm": (None, sequence(pre_tokenizers.Digits(True), byte_level(True))),
    "llama3": (None, sequence(split(Regex(LLAMA3), "isolated"), byte_level(False))),
    "qwen2": (normalizers.NFC(), sequence(split(Regex(QWEN2), "isolated"), byte_level(False))),
    # No model's rule: every behaviour, inversion, a plain string, classes beyond the four rules'.
    "mixed": (normalizers.Sequence([normalizers.NFC()]),
              sequence(split(" ", "merged_with_next"), split(Regex(r"[\p{S}\p{P}]"), "merged_with_previous"),
                       split(Regex(r"\p{M}"), "contiguous"), split(Regex(r"[\w\d\-]+?x|^\W|\s+$|\w{2}y"), "isolated"),
                       split("the", "removed"), split(Regex(r"[^q]"), "removed", True),
                       pre_tokenizers.Digits(False), pre_tokenizers.ByteLevel(True, use_regex=False))),
}

TEXTS = [
    "The quick brown fox doesn't jump over the lazy dogs; they're 123 and we've 4567.",
    "the cat and the hat that they had then, the other is in the house with the mother",
    "int main() {\n    return std::vector<int>{1, 2, 3}.size();\n}\n\n\n\treturn x;  // done",
    "これは日本語の文章です。東京は大きな都市で、人が多いです。カタカナも書きます。",
    "    for (int i = 0; i < n; ++i) {\n        sum += values[i];\n    }\n",
    "cafe\u0301 na\u00efve \u00e9t\u00e9 \u0435\u0449\u0451 \U0001f600 \U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1ef\U0001f1f5",
]


def lines():
    generator = random.Random(3)
    pieces = (TEXTS[0].split(" ") + [
        " ", "  ", "\n", "\r\n", "\t", " " * 17, "\n\n\n", "\u3000", "\u00a0", "\u0085", "\u180e", "\u001c", "\u2028", "\ufeff",
        "'s", "'S", "'\u017f", "'LL", "123", "4567", "\u00b2", "\u00bd", "\u2167", "\u0663", "\U0001d7d8", "\U00011de0",
        "\u65e5\u672c\u8a9e", "\u30ab\u30bf\u30ab\u30ca", "\uff76\uff9e", "\u304b\u3099", "e\u0301", "\u1e9b\u0323", "\u1100\u1161\u11a8", "a\u0316\u0301\u0323",
        "\U00011935\U00011930", "a\u1ac1\u0323", "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466", "\U0001f1ef\U0001f1f5\U0001f1fa", "1\ufe0f\u20e3", "\u00e9", "_", "-", "!?", "<|",
        "<|im_start|>", "<|im_end|>", "<|im_start|><|im_end|>", "[W]", "[L]", "[R]", "<n>e\u0301</n>", "<n>\u00e9</n>", "quick", "the",
        "\u0000", "\u0007", "\u007f", "\u0300", "\U000105c0", "\U0001e5d0\U0001e5f1", "\U00031350", "\U000e0067", "\U0010ffff", "\ue000", "x", "+= {", "::"])
    made = ["", *TEXTS]
    for _ in range(44):
        made.append("".join(generator.choice(pieces) + generator.choice(["", "", " "])
                            for _ in range(generator.randint(2, 9))))
    return made


def train(name):
    normalizer, pre_tokenizer = RULES[name]
    tokenizer = Tokenizer(models.BPE(ignore_merges=name == "llama3"))
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    # "mixed" lacks bytes, to see what is unknown left out.
    alphabet = [] if name == "mixed" else pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=350, special_tokens=["<|im_start|>", "<|im_end|>"],
                                  initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(TEXTS * 2, trainer)
    tokenizer.add_tokens([
        AddedToken("[W]", single_word=True), AddedToken("[L]", lstrip=True, normalized=False),
        AddedToken("[R]", rstrip=True, normalized=False), AddedToken("<n>e\u0301</n>", normalized=True),
        AddedToken("<|", normalized=False)])
    return tokenizer


def main():
    golden = {"lines": lines(), "ids": {}}
    for name in RULES:
        tokenizer = train(name)
        os.makedirs(name, exist_ok=True)
        tokenizer.save(f"{name}/tokenizer.json", pretty=False)
        golden["ids"][name] = [tokenizer.encode(line, add_special_tokens=False).ids for line in golden["lines"]]
    with open("ids.json", "w", encoding="ascii") as file:
        json.dump(golden, file, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main()
