#!/usr/bin/env python3
"""Makes the golden files of tests/data/character_tokenizer_test.cpp: tokenizers of characters, and SentencePiece models.

Per name one small tokenizer.json or tokenizer.model (characters/NAME/), characters/lines.json, and per name the ids that
Hugging Face's tokenizers (0.23.3), Google's sentencepiece (0.2.3) or transformers (5.17) give the lines, and what
tokenizers decodes from some ids with and without special tokens (characters/NAME/expected.json).
Run it in this folder: python make_golden_characters.py
"""
import io
import json
import os
import random
import tempfile

import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import AutoTokenizer

from make_golden import TEXTS, lines

BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
SPACE = "\u2581"


def sequence(*parts):
    return normalizers.Sequence(list(parts))


def to_spaces(*more):
    return decoders.Sequence([decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), *more])


# name -> normalizer, pre_tokenizer, decoder, byte fallback, fuse_unk
PIPELINES = {
    "llama2": (sequence(normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)), None,
               to_spaces(decoders.Strip(" ", 1, 0)), True, True),
    "first": (None, pre_tokenizers.Metaspace(prepend_scheme="first", split=False),
              to_spaces(decoders.Strip(" ", 1, 0)), True, True),
    "gemma": (normalizers.Replace(" ", SPACE), pre_tokenizers.Split(" ", "merged_with_previous"), to_spaces(), True, True),
    "folded": (sequence(normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase(), normalizers.Strip()),
               pre_tokenizers.Sequence([pre_tokenizers.Digits(False), pre_tokenizers.Punctuation(),
                                        pre_tokenizers.Metaspace(prepend_scheme="first")]),
               decoders.Metaspace(prepend_scheme="first"), False, False),
    "words": (sequence(normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex("[0-9]+"), "<n>")),
              pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Whitespace(),
                                       pre_tokenizers.CharDelimiterSplit("o")]), None, False, True),
}


def add_tokens(tokenizer):
    tokenizer.add_tokens([AddedToken("<|x|>", normalized=False, rstrip=True), AddedToken("Fox", normalized=True),
                          AddedToken("the", single_word=True, normalized=True)])


def train(name):
    normalizer, pre_tokenizer, decoder, byte_fallback, fuse = PIPELINES[name]
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=fuse, byte_fallback=byte_fallback))
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizer or pre_tokenizers.Split(SPACE, "merged_with_next")
    special = ["<unk>", "<s>", "</s>"] + (BYTES if byte_fallback else [])
    tokenizer.train_from_iterator(TEXTS * 2, trainers.BpeTrainer(
        vocab_size=len(special) + 190, special_tokens=special, limit_alphabet=60, show_progress=False))
    file = json.loads(tokenizer.to_str())
    file["added_tokens"] = file["added_tokens"][:3]
    if pre_tokenizer is None:
        file["pre_tokenizer"] = None
    if decoder is not None:
        file["decoder"] = json.loads(decoder.__getstate__())
    if name == "gemma":  # as older versions write merges
        file["model"]["merges"] = [" ".join(merge) for merge in file["model"]["merges"]]
    tokenizer = Tokenizer.from_str(json.dumps(file))
    add_tokens(tokenizer)
    file["added_tokens"] = json.loads(tokenizer.to_str())["added_tokens"]
    return json.dumps(file, ensure_ascii=False, separators=(",", ":"))


def train_sentencepiece(**options):
    """A model with a normalizer_spec of few rules: the usual ones take 240 kB."""
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as rules:
        for source, target in [("e\u0301", "\u00e9"), ("\t", " "), ("\u3000", " "), ("\u00a0", " "), ("Q", "q"),
                               ("\ufb01", "fi"), ("\u00bd", "1/2"), ("\ufeff", ""), ("\u0007", ""), ("\u304b\u3099", "\u304c")]:
            rules.write(" ".join(f"{ord(c):X}" for c in source) + "\t" + " ".join(f"{ord(c):X}" for c in target) + "\n")
        rules.flush()
        model = io.BytesIO()
        texts = [text.replace("\n", " ") for text in TEXTS] * 3
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(texts), model_writer=model, minloglevel=2, hard_vocab_limit=False,
            normalization_rule_tsv=rules.name, **options)
    return model.getvalue()


def precompiled_unigram(model):
    """What transformers makes of a unigram model that it converts."""
    from sentencepiece import sentencepiece_model_pb2
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(model)
    tokenizer = Tokenizer(models.Unigram([(piece.piece, piece.score) for piece in proto.pieces], unk_id=0,
                                         byte_fallback=False))
    tokenizer.normalizer = sequence(normalizers.Precompiled(proto.normalizer_spec.precompiled_charsmap),
                                    normalizers.Strip(False, True), normalizers.Replace(Regex(" {2,}"), SPACE))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    add_tokens(tokenizer)
    return tokenizer.to_str()


def all_lines():
    generator = random.Random(11)
    made = [line[:160] for line in lines()]
    pieces = ["\u2581", "\u2581\u2581", " ", "   ", "the", "Fox", "Fox ", "<|x|>", "<|x|>  ", "<unk>", "<0x0A>", "\u0130", "\u00df", "\ufb01",
              "\u00bd", "\u00a8", "\u01c5", "1\u20442", "\u304b\u3099", "\u0e01\u0e33", "\ud55c\uae00", "e\u0301\u0323", "Q", "quick", "brown ", "over", "0", "17",
              "\ufeff", "\ufffd", "\t", "\r\n", "...", "\u3002", "(a)", "_x", "\U0001f468\u200d\U0001f469", "\u0939\u093f", "\u0627\u0644", "\u05d0"]
    for _ in range(150):
        made.append("".join(generator.choice(pieces) for _ in range(generator.randint(1, 9))))
    for line in made[5:25]:  # broken UTF-8, replaced
        broken = bytearray(line.encode())
        for _ in range(3):
            broken[generator.randrange(len(broken))] = generator.randrange(256)
        made.append(bytes(broken).decode("utf-8", "replace"))
    return made


def id_lists(ids, count):
    generator = random.Random(5)
    lists = ids[:30]
    return lists + [[generator.randrange(count) for _ in range(generator.randint(1, 10))] for _ in range(60)]


def write(name, file_name, content, expected):
    folder = f"characters/{name}"
    os.makedirs(folder, exist_ok=True)
    with open(f"{folder}/{file_name}", "wb") as file:
        file.write(content)
    with open(f"{folder}/expected.json", "w", encoding="ascii") as file:
        json.dump(expected, file, separators=(",", ":"))
        file.write("\n")


def expected_of(tokenizer, texts):
    ids = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
    lists = id_lists(ids, tokenizer.get_vocab_size())
    decoded = [[item, tokenizer.decode(item, skip_special_tokens=False), tokenizer.decode(item, skip_special_tokens=True)]
               for item in lists]
    return {"ids": ids, "decoded": decoded}


def write_json(name, text, texts):
    write(name, "tokenizer.json", text.encode(), expected_of(Tokenizer.from_str(text), texts))


def write_model(name, model, texts):
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    write(name, "tokenizer.model", model, {"ids": [processor.encode(text) for text in texts], "decoded": []})


def write_transformers(name, model, config, texts):
    folder = f"characters/{name}"
    os.makedirs(folder, exist_ok=True)
    with open(f"{folder}/tokenizer_config.json", "w", encoding="ascii") as file:
        json.dump(config, file)
        file.write("\n")
    with tempfile.TemporaryDirectory() as directory:
        for path, content in [("tokenizer.model", model), ("tokenizer_config.json", json.dumps(config).encode()),
                              ("config.json", b'{"model_type":"llama"}')]:
            with open(f"{directory}/{path}", "wb") as file:
                file.write(content)
        tokenizer = AutoTokenizer.from_pretrained(directory)
        assert type(tokenizer).__name__ == config["tokenizer_class"]
        write(name, "tokenizer.model", model, expected_of(tokenizer._tokenizer, texts))


def main():
    texts = all_lines()
    os.makedirs("characters", exist_ok=True)
    with open("characters/lines.json", "w", encoding="ascii") as file:
        json.dump(texts, file)
        file.write("\n")
    for name in PIPELINES:
        write_json(name, train(name), texts)
    # The package gives control and unknown pieces in the text no ids: such lines would differ.
    plain = {"bos_piece": "<<s>>", "eos_piece": "<</s>>", "unk_piece": "<<unk>>"}
    unigram = train_sentencepiece(model_type="unigram", vocab_size=400, user_defined_symbols=["<|x|>", "ing"], **plain)
    write_model("unigram", unigram, texts)
    write_json("precompiled", precompiled_unigram(unigram), texts)
    write_model("bpe", train_sentencepiece(model_type="bpe", vocab_size=560, byte_fallback=True, character_coverage=0.98,
                                           user_defined_symbols=["<|x|>"], **plain), texts)
    llama = train_sentencepiece(model_type="bpe", vocab_size=560, byte_fallback=True, character_coverage=0.98)
    config = {"tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>",
              "add_bos_token": True, "add_eos_token": False, "legacy": False, "added_tokens_decoder": {
                  "560": {"content": "<|x|>", "lstrip": False, "normalized": False, "rstrip": True, "single_word": False,
                          "special": True}}}
    pieces = sentencepiece.SentencePieceProcessor(model_proto=llama).get_piece_size()
    config["added_tokens_decoder"] = {str(pieces): config["added_tokens_decoder"]["560"]}
    write_transformers("llama_class", llama, config, texts)


if __name__ == "__main__":
    main()
