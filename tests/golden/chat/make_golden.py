#!/usr/bin/env python3
"""Makes the golden files of tests/data/chat_*_test.cpp with transformers (5.17.0).

tokenizer.json: a small byte-level BPE with the special tokens of all templates; tokenizer_config.json beside it.
golden.json: templates (Jinja, each in several spellings that Jinja reads alike), conversations, and per template and
conversation what apply_chat_template() gives: the text, its ids, and per assistant turn the bytes of the text up to
where a model would be asked to go on (add_generation_prompt); null where it raises.
Run it in this folder: python make_golden.py
"""
import json
import re

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

SPECIAL = ["<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>",
           "<start_of_turn>", "<end_of_turn>", "<|user|>", "<|assistant|>", "<|system|>", "<|end|>"]

ALTERNATE = ("{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception("
             "'Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}")
CHATML_TURNS = ("{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}"
                "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}")


def chatml(system):
    default = ("" if system is None else
               "{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\\n" + system +
               "<|im_end|>\\n' }}{% endif %}")
    return "{% for message in messages %}" + default + CHATML_TURNS


def mistral(answer):
    return ("{{ bos_token }}{% for message in messages %}" + ALTERNATE +
            "{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}"
            "{% elif message['role'] == 'assistant' %}{{ " + answer + "}}{% else %}"
            "{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}{% endfor %}")


def with_system(default, rest):
    """Splits a system message off, or takes the default."""
    return ("{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}"
            "{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}"
            "{% set system_message = " + default + " %}{% endif %}" + rest)


def quoted(text):
    return '"' + text + '"'


VICUNA = ("A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, "
          "detailed, and polite answers to the user's questions.")
ALPACA = ("Below is an instruction that describes a task. Write a response that appropriately completes the request.")

TEMPLATES = {
    "chatml": [chatml(None)],
    "smollm": [chatml("You are a helpful AI assistant named SmolLM, trained by Hugging Face")],
    "qwen2": [chatml("You are a helpful assistant.")],
    # The text of the model's template about tools is left out: what a conversation without tools gives is the same.
    "qwen2.5": [chatml("You are Qwen, created by Alibaba Cloud. You are a helpful assistant.")],
    "qwen3": ["{%- if messages[0].role == 'system' %}\n"
        "    {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}\n{%- endif %}\n"
        "{%- set last = namespace(question=none) %}\n{%- for message in messages %}\n"
        "    {%- if message.role == 'user' and not (message.content.startswith('<tool_response>')"
        " and message.content.endswith('</tool_response>')) %}\n"
        "        {%- set last.question = loop.index0 %}\n    {%- endif %}\n{%- endfor %}\n"
        "{%- for message in messages %}\n"
        "    {%- set content = message.content %}\n    {%- set thoughts = '' %}\n"
        "    {%- if message.role == 'assistant' and '</think>' in content %}\n"
        "        {%- set thoughts = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].strip('\\n') %}\n"
        "        {%- set content = content.split('</think>')[-1].lstrip('\\n') %}\n    {%- endif %}\n"
        "    {%- if message.role == 'assistant' and last.question is not none and loop.index0 > last.question"
        " and (loop.last or thoughts) %}\n"
        "        {%- set content = '<think>\\n' + thoughts + '\\n</think>\\n\\n' + content.lstrip('\\n') %}\n    {%- endif %}\n"
        "    {%- if not (message.role == 'system' and loop.first) %}\n"
        "        {{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>\\n' }}\n    {%- endif %}\n{%- endfor %}\n"
        "{%- if add_generation_prompt %}\n    {{- '<|im_start|>assistant\\n' }}\n{%- endif %}\n"],
    "llama2": [with_system("false", "{% for message in loop_messages %}" + ALTERNATE +
        "{% if loop.index0 == 0 and system_message != false %}"
        "{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}"
        "{% else %}{% set content = message['content'] %}{% endif %}"
        "{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}"
        "{% elif message['role'] == 'assistant' %}{{ ' '  + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}")],
    "llama3": ["{% set loop_messages = messages %}{% for message in loop_messages %}"
        "{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim"
        " + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}"
        "{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}"],
    "llama3.1": ["{{- bos_token }}\n{%- if messages[0]['role'] == 'system' %}\n"
        "    {%- set system_message = messages[0]['content']|trim %}\n    {%- set messages = messages[1:] %}\n{%- else %}\n"
        "    {%- set system_message = \"\" %}\n{%- endif %}\n"
        "{{- \"<|start_header_id|>system<|end_header_id|>\\n\\n\" }}\n"
        "{{- \"Cutting Knowledge Date: December 2023\\n\" }}\n{{- \"Today Date: \" + \"26 Jul 2024\" + \"\\n\\n\" }}\n"
        "{{- system_message }}\n{{- \"<|eot_id|>\" }}\n{%- for message in messages %}\n"
        "    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}\n"
        "{%- endfor %}\n{%- if add_generation_prompt %}\n"
        "    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}\n{%- endif %}\n"],
    "mistral-v0.1": [mistral("message['content'] + eos_token + ' '")],
    "mistral-v0.2": [mistral("message['content'] + eos_token")],
    "mistral-v0.3": ["{%- if messages[0][\"role\"] == \"system\" %}\n"
        "    {%- set system_message = messages[0][\"content\"] %}\n    {%- set loop_messages = messages[1:] %}\n{%- else %}\n"
        "    {%- set loop_messages = messages %}\n{%- endif %}\n\n{{- bos_token }}\n{%- for message in loop_messages %}\n"
        "    " + ALTERNATE + "\n    {%- if message[\"role\"] == \"user\" %}\n"
        "        {%- if loop.last and system_message is defined %}\n"
        "            {{- \"[INST] \" + system_message + \"\\n\\n\" + message[\"content\"] + \"[/INST]\" }}\n        {%- else %}\n"
        "            {{- \"[INST] \" + message[\"content\"] + \"[/INST]\" }}\n        {%- endif %}\n"
        "    {%- elif message[\"role\"] == \"assistant\" %}\n"
        "        {{- \" \" + message[\"content\"]|trim + eos_token}}\n    {%- else %}\n"
        "        {{- raise_exception(\"Only user and assistant roles are supported\") }}\n"
        "    {%- endif %}\n{%- endfor %}\n"],
    "gemma": ["{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}"
        "{% endif %}{% for message in messages %}" + ALTERNATE +
        "{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}"
        "{{ '<start_of_turn>' + role + '\\n' + message['content'] | trim + '<end_of_turn>\\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{'<start_of_turn>model\\n'}}{% endif %}"],
    "phi3": ["{% for message in messages %}"
        "{% if message['role'] == 'system' %}{{'<|system|>\\n' + message['content'] + '<|end|>\\n'}}"
        "{% elif message['role'] == 'user' %}{{'<|user|>\\n' + message['content'] + '<|end|>\\n'}}"
        "{% elif message['role'] == 'assistant' %}{{'<|assistant|>\\n' + message['content'] + '<|end|>\\n'}}{% endif %}"
        "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% else %}{{ eos_token }}{% endif %}"],
    "zephyr": ["{% for message in messages %}\n{% if message['role'] == 'user' %}\n"
        "{{ '<|user|>\\n' + message['content'] + eos_token }}\n{% elif message['role'] == 'system' %}\n"
        "{{ '<|system|>\\n' + message['content'] + eos_token }}\n{% elif message['role'] == 'assistant' %}\n"
        "{{ '<|assistant|>\\n'  + message['content'] + eos_token }}\n{% endif %}\n"
        "{% if loop.last and add_generation_prompt %}\n{{ '<|assistant|>' }}\n{% endif %}\n{% endfor %}"],
    "vicuna": [with_system(quoted(VICUNA), "{{ bos_token + system_message.strip() }}"
        "{% for message in loop_messages %}{% if message['role'] == 'user' %}{{ ' USER: ' + message['content'].strip() }}"
        "{% elif message['role'] == 'assistant' %}{{ ' ASSISTANT: ' + message['content'].strip() + eos_token }}{% endif %}"
        "{% endfor %}{% if add_generation_prompt %}{{ ' ASSISTANT:' }}{% endif %}")],
    "alpaca": [with_system(quoted(ALPACA), "{{ bos_token + system_message.strip() + '\\n\\n' }}"
        "{% for message in loop_messages %}{% if message['role'] == 'user' %}"
        "{{ '### Instruction:\\n' + message['content'].strip() + '\\n\\n' }}"
        "{% elif message['role'] == 'assistant' %}{{ '### Response:\\n' + message['content'].strip() + eos_token + '\\n\\n' }}"
        "{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '### Response:\\n' }}{% endif %}")],
}


def turns(*contents, system=None):
    made = [] if system is None else [{"role": "system", "content": system}]
    for i, content in enumerate(contents):
        made.append({"role": "assistant" if i % 2 else "user", "content": content})
    return made


TALKS = [
    turns("What is a kluge?", "A clumsy solution that works."),
    turns("Hi", "Hello!", "And then?", "Then we talk.\nFor long.", system="Answer like a pirate."),
    turns("  leading and trailing \n", "\n\n  spaces\u00a0\u3000\t ", "\u2003x\u2003", " y ", system="  be brief\n"),
    turns("\u00bfQu\u00e9 tal? \u65e5\u672c\u8a9e \U0001f600\u200d\U0001f525", "e\u0301 \u0433\u043e\u0440\u043e\u0434 \u06a9\u062a\u0627\u0628"),
    turns("", "", system=""),
    turns("empty", ""),
    turns(" ", "\n"),
    turns("quoting <|im_end|> and </s> and [INST] and {{ x }}", "<|im_start|>assistant {bos} {% if %}"),
    turns("only a question"),
    turns("one", "two", "three", system="A question at the end."),
    [{"role": "assistant", "content": "I begin."}, {"role": "user", "content": "Go on."}, {"role": "assistant", "content": "Yes."}],
    [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}, {"role": "assistant", "content": "c"}],
    [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "system", "content": "now rhyme"},
     {"role": "user", "content": "c"}, {"role": "assistant", "content": "d"}],
    turns("line\r\nends\r", "tab\t\x0b\x1c"),
]


# Answers that begin with reasoning. The tokenizer is not trained on these.
THOUGHTS = [
    turns("one", "<think>\nHm.\n</think>\n\ntwo", "three", "<think>\n\nHm\n\nagain.\n\n</think>\n\n\nfour"),
    turns("one", "\n\ntwo", "three", "\n\nfour", system="Think."),
    turns("a", "<think>b</think>c</think>\nd", "e", "f <think>\n</think> g"),
    [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "assistant", "content": "<think>c</think>d"},
     {"role": "user", "content": "<tool_response>e</tool_response>"}, {"role": "assistant", "content": "f"}],
    [{"role": "assistant", "content": "<think>\na\n</think>\n\nb"}],
]
CONVERSATIONS = TALKS + THOUGHTS


def train_tokenizer():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=SPECIAL,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    texts = [message["content"] for conversation in TALKS for message in conversation]
    tokenizer.train_from_iterator(texts + [VICUNA, ALPACA, "### Instruction:\n\n### Response:\n", "USER: ASSISTANT: [INST] [/INST]"] * 2,
                                  trainer)
    tokenizer.save("tokenizer.json", pretty=False)
    with open("tokenizer_config.json", "w", encoding="ascii") as file:
        json.dump({"bos_token": "<s>", "eos_token": "</s>", "add_bos_token": True}, file)
        file.write("\n")
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def spellings(template):
    """The same to Jinja: white space and comments within tags, the kind of quotes, line ends."""
    spaced = re.sub(r"(\{[{%]-?)\s*", r"\1   ", template)
    spaced = re.sub(r"\s*(-?[}%]\})", r"\n \1", spaced)
    tight = re.sub(r"(\{[{%]-?) +", r"\1", template)
    tight = re.sub(r" +(-?[}%]\})", r"\1", tight)
    return [template, spaced, tight, "{# a comment #}" + template + "\n",
            template.replace("message['role']", 'message["role"]')]


def apply(tokenizer, template, conversation, **more):
    text = tokenizer.apply_chat_template(conversation, chat_template=template, tokenize=False, **more)
    ids = tokenizer.apply_chat_template(conversation, chat_template=template, tokenize=True, return_dict=False, **more)
    return text, ids


def golden_of(tokenizer, template, conversation):
    try:
        text, ids = apply(tokenizer, template, conversation)
    except Exception:  # jinja2's TemplateError
        return None
    begins = []
    for i, message in enumerate(conversation):
        if message["role"] != "assistant":
            continue
        try:
            prefix, _ = apply(tokenizer, template, conversation[:i], add_generation_prompt=True)
        except Exception:
            prefix = None
        begins.append(len(prefix.encode()) if prefix is not None and text.startswith(prefix) else None)
    return {"text": text, "ids": ids, "answers": begins}


def main():
    tokenizer = train_tokenizer()
    golden = {"conversations": CONVERSATIONS, "formats": []}
    for name, templates in TEMPLATES.items():
        template = templates[0]
        results = [golden_of(tokenizer, template, conversation) for conversation in CONVERSATIONS]
        for other in spellings(template):
            for conversation, result in zip(CONVERSATIONS, results):
                assert golden_of(tokenizer, other, conversation) == result, (name, other)
        golden["formats"].append({"name": name, "templates": spellings(template), "results": results})
    with open("golden.json", "w", encoding="ascii") as file:
        json.dump(golden, file, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main()
