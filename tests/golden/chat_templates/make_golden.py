#!/usr/bin/env python3
"""Makes golden.json of tests/data/chat_template_test.cpp with transformers (5.17.0).

Per template of llama.cpp's models/templates and per conversation: the SHA-256 of what apply_chat_template() makes of it,
or null where it raises; today's date, which some templates write, is DATE there. Where it does not raise and each text
of the messages before an answer is a beginning of the whole, also the bytes at which the answers begin.
Run it in this folder: python make_golden.py FOLDER_OF_TEMPLATES [FOLDER_FOR_TEXTS]
"""
import datetime
import hashlib
import json
import pathlib
import sys

from transformers.utils.chat_template_utils import render_jinja_template


def user(text):
    return {"role": "user", "content": text}


def answer(text, **more):
    return {"role": "assistant", "content": text, **more}


def call(name, arguments, content="", **more):
    return answer(content, tool_calls=[{"type": "function", "id": "call12345", "function":
                                        {"name": name, "arguments": arguments}}], **more)


def result(text, name="weather"):
    return {"role": "tool", "name": name, "tool_call_id": "call12345", "content": text}


SYSTEM = {"role": "system", "content": "Be short."}
WEATHER = {"type": "function", "function": {
    "name": "weather", "description": "The weather of a \"city\" – today\nor later.",
    "parameters": {"type": "object", "properties": {
        "city": {"type": "string", "description": "its name"},
        "days": {"type": "integer", "default": 3, "minimum": 1},
        "share": {"type": "number", "default": 0.25, "maximum": 1.0, "examples": [1e-07, 2.5e20, 100000.0]},
        "unit": {"type": "string", "enum": ["C", "F"]},
        "exact": {"type": "boolean", "default": False}}, "required": ["city"]}}}
ADD = {"type": "function", "function": {"name": "add", "description": "adds", "parameters": {
    "type": "object", "properties": {"a": {"type": "integer", "description": "one"}, "b": {"type": "integer"}},
    "required": ["a", "b"]}}}

CONVERSATIONS = [
    {"messages": [user("Hi"), answer("Hello!")]},
    {"messages": [SYSTEM, user("Hi"), answer("Hello!")]},
    {"messages": [SYSTEM, user("one"), answer("two"), user("three"), answer("four")]},
    {"messages": [user("one"), answer("two"), user("three")]},
    {"messages": [user(" spaces \n"), answer("\n around \n\n"), user("\ttab"), answer("x ")]},
    {"messages": [user("Grüße, 日本語 🙂"), answer("«ça» – \"quoted\" 'text' <b>&amp;</b>")]},
    {"messages": [user("2+2?"), answer("4", reasoning_content="two and two")]},
    {"messages": [user("2+2?"), answer("4", reasoning_content="two and two"), user("3+3?"),
                  answer("6", reasoning_content="three\nand three")]},
    {"messages": [user("2+2?"), answer("<think>\ntwo and two\n</think>\n\n4"), user("3+3?"),
                  answer("<think>\n\n</think>\n\n6")]},
    {"messages": [user("Weather?"), answer("Where?")], "tools": [WEATHER]},
    {"messages": [SYSTEM, user("Weather?"), answer("Where?")], "tools": [WEATHER, ADD]},
    {"messages": [user("Weather in Rome?"), call("weather", {"city": "Rome", "days": 2, "share": 0.5}),
                  result("{\"degrees\": 21.5}"), answer("Mild.")], "tools": [WEATHER]},
    {"messages": [SYSTEM, user("Add 1 and 2"), call("add", {"a": 1, "b": 2}, "I add."), result("3", "add"),
                  answer("3."), user("And 3 and 4?"), call("add", {"a": 3, "b": 4}), result("7", "add"), answer("7.")],
     "tools": [ADD]},
    {"messages": [user("Add"), call("add", {"a": 1, "b": 2}, reasoning_content="I must add."), result("3", "add"),
                  answer("3.", reasoning_content="done")], "tools": [ADD, WEATHER]},
    {"messages": [user([{"type": "text", "text": "part one"}, {"type": "text", "text": "part two"}]), answer("Both.")],
     "parts": True},
    {"messages": [SYSTEM, SYSTEM, user("Two systems"), answer("Yes.")]},
    {"messages": [user("a"), user("b"), answer("c")]},
    {"messages": [user("no answer yet"), answer(""), user("again"), answer("now")]},
    {"messages": [user("Hi"), answer("Hello!", tool_calls=[])], "tools": []},
    {"messages": [{"role": "developer", "content": "Be kind."}, user("Hi"), answer("Hello!")], "developer": True},
    {"messages": [user("Line\r\nends {{ braces }} {% tags %}"), answer("{# no comment #}\\n")]},
    {"messages": [answer("I begin."), user("Fine."), answer("Good.")]},
    {"messages": [user("Both?"), answer("", tool_calls=[
        {"type": "function", "id": "call00001", "function": {"name": "add", "arguments": {"a": 1, "b": 2}}},
        {"type": "function", "id": "call00002", "function": {"name": "add", "arguments": {"a": 3, "b": 4}}}]),
        result("3", "add"), result("7", "add"), answer("3 and 7.")], "tools": [ADD]},
]


def render(template, row, messages, prompt=False):
    text, _ = render_jinja_template(
        conversations=[messages], tools=row.get("tools") or None, chat_template=template,
        add_generation_prompt=prompt, bos_token="<s>", eos_token="</s>", pad_token="<pad>")
    return text[0]


def undated(text):
    now = datetime.datetime.now()
    for form in ("%Y-%m-%d", "%d %b %Y", "%d %B %Y", "%B %d, %Y", "%Y年%m月%d日"):
        text = text.replace(now.strftime(form), "DATE")
    return text


def begins(template, row, whole):
    places = []
    for i, message in enumerate(row["messages"]):
        if message["role"] != "assistant":
            continue
        try:
            before = render(template, row, row["messages"][:i], True)
        except Exception:
            before = None
        places.append(len(before.encode()) if before and whole.startswith(before) else None)
    return places


def main():
    folder = pathlib.Path(sys.argv[1])
    templates = []
    for file in sorted(folder.glob("*.jinja")):
        template = file.read_text()
        results = []
        for number, row in enumerate(CONVERSATIONS):
            try:
                text = render(template, row, row["messages"])
            except Exception as error:
                results.append(None)
                if len(sys.argv) > 2:
                    pathlib.Path(sys.argv[2], f"{file.stem}.{number}.txt").write_text(f"RAISED {error!r}")
                continue
            if len(sys.argv) > 2:
                pathlib.Path(sys.argv[2], f"{file.stem}.{number}.txt").write_text(undated(text), newline="")
            results.append({"sha256": hashlib.sha256(undated(text).encode()).hexdigest(),
                            "begins": begins(template, row, text)})
        templates.append({"file": file.name, "results": results})
    with open("golden.json", "w") as out:
        out.write('{"conversations": [\n' + ",\n".join(json.dumps(c) for c in CONVERSATIONS) + '\n],\n"templates": [\n')
        out.write(",\n".join(json.dumps(t) for t in templates) + "\n]}\n")
    raised = sum(r is None for t in templates for r in t["results"])
    print(len(templates), "templates,", len(CONVERSATIONS), "conversations,", raised, "raised")


main()
