"""The meaning of the fields of files: the comments beside the members of the structs that list them.

A struct's list of fields (src/core/fields.h) pairs names with members; the comment of a member stands above it or
behind it.
"""
import re


def _sentence(lines):
    text = re.sub(r"\s+", " ", " ".join(lines)).strip()
    return re.sub(r"Older files have none of the following\. ?", "", text)


class Structs:
    """meaning(type, field) and comment(type) of the structs in the headers and sources below a folder."""

    def __init__(self, root):
        self._found = {}  # (module, name) -> (comment, {field: meaning}, [(module, name) whose fields it has too])
        for folder in ("src", "tools/salf"):
            for path in sorted((root / folder).rglob("*")):
                if path.suffix in (".h", ".cpp"):
                    module = path.relative_to(root).parts[1] if folder == "src" else "tools"
                    self._read(module, path.read_text(encoding="utf-8"))

    def _read(self, module, text):
        pattern = r"((?:^//[^\n]*\n)*)^struct (\w+) \{\n(.*?)^\};"
        for match in re.finditer(pattern, text, flags=re.MULTILINE | re.DOTALL):
            body = match[3]
            if "::fields(" not in body and "void fields(" not in body:
                continue
            comment = _sentence(line.lstrip("/ ") for line in match[1].splitlines())
            members = _members(body)
            listed = body[body.index("void fields("):] if "void fields(" in body else ""
            meanings = {}
            for name, member in re.findall(r'visit\(\s*(?:Field\{\s*)?"(\w+)"[^;]*?self\.([\w.]+)\s*\)', listed):
                meanings[name] = members.get(member.split(".")[-1] if "." not in member else member, "")
            others = re.findall(r"(\w+)::fields\(", listed)
            self._found.setdefault((module, match[2]), (comment, meanings, others))

    def _of(self, type_name):
        parts = type_name.split("::")
        return self._found.get((parts[0], parts[-1]))

    def comment(self, type_name):
        found = self._of(type_name)
        return found[0] if found else ""

    def meaning(self, type_name, field):
        found = self._of(type_name)
        if not found:
            return ""
        if field in found[1]:
            return found[1][field]
        for other in found[2]:
            for (_, name), (_, meanings, _) in self._found.items():
                if name == other and field in meanings:
                    return meanings[field]
        return ""


def _members(body):
    """{member: comment}"""
    meanings, above, names, statement, in_function = {}, [], [], "", False
    for line in body.split("\n"):
        stripped = line.strip()
        indent = len(line) - len(line.lstrip())
        if in_function:
            in_function = not line.startswith("  }")
        elif not stripped:
            above, names = [], []
        elif stripped.startswith("//") and indent > 2 and names and not statement:
            for name in names:  # goes on behind the member
                meanings[name] = _sentence([meanings[name], stripped.lstrip("/ ")])
        elif stripped.startswith("//") and not statement:
            above.append(stripped.lstrip("/ "))
            names = []
        elif stripped.startswith("template <class Self"):
            break
        else:
            code, _, behind = stripped.partition("//")
            statement = (statement + " " + code).strip()
            if re.search(r"\) (const )?\{", statement) or re.match(r"[^={]*\w\(", statement) and statement[-1] in ";}":
                in_function = statement.endswith("{")
                above, names, statement = [], [], ""
            elif statement.endswith(";"):
                names = re.findall(r"(\w+)\s*(?:=[^,;]*|\{[^;]*\})?\s*[,;]", statement)
                meaning = _sentence(above + [behind])
                for name in names:
                    meanings[name] = meaning
                above, statement = [], ""
    return meanings
