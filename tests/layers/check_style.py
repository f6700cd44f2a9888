"""check_style.py format|size ROOT

format: every C++ file is as clang-format 14 writes it. Exit code 77 (skipped) without that program.
size:   no file, function or folder is larger than the limits below.
Prints each offence and fails if there is one."""
import os
import re
import shutil
import subprocess
import sys

FORMATTED = ("src", "include", "tools", "tests", "bench")
FILE_LINES = {"tools/salf": 150, "src/app": 250}
FUNCTION_LINES = 50
FOLDER_FILES = 30  # of src


def cpp_files(root, folder):
    for path, folders, names in os.walk(os.path.join(root, folder)):
        folders[:] = [name for name in folders if name != "golden"]
        for name in names:
            if name.endswith((".h", ".cpp", ".cu", ".cuh")):
                yield os.path.relpath(os.path.join(path, name), root)


def clang_format():
    for name in ("clang-format-14", "clang-format"):
        path = shutil.which(name)
        if path and " 14." in subprocess.run([path, "--version"], capture_output=True, text=True).stdout:
            return path
    return None


def format_offences(root):
    program = clang_format()
    if program is None:
        print("skipped: no clang-format 14 (Debian's package clang-format-14)")
        sys.exit(77)
    paths = [path for folder in FORMATTED for path in sorted(cpp_files(root, folder))]
    done = subprocess.run([program, "--dry-run", *paths], cwd=root, capture_output=True, text=True, check=True)
    different = {line.split(":", 1)[0] for line in done.stderr.splitlines() if "[-Wclang-format-violations]" in line}
    for path in sorted(different):
        yield path + ": clang-format writes it differently"


def without_literals(text):
    """Comments and literals become blanks; the lines stay."""
    pattern = r'R"([^(\s]*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])\'(?:\\.|[^\'\\\n])+\'|//[^\n]*|/\*.*?\*/'
    return re.sub(pattern, lambda match: re.sub(r"[^\n]", " ", match[0]), text, flags=re.DOTALL)


def long_functions(text):
    """(line, length) of each function body that is too long: of the braces that follow a parameter list, the
    outermost ones. Namespaces and types are looked into."""
    opened = []  # (is it a function's brace, its line, what stood before it)
    line, head = 1, ""
    for character in without_literals(text):
        line += character == "\n"
        if character == "{":
            # A value's brace follows a name without a space: member_{3}.
            body = re.search(r"\)\s*(const|noexcept|override|final|mutable|->[^;]*|:[^;]*|\s)*$", head)
            container = re.search(r"\b(namespace|struct|class|enum|union)\b[^()]*$", head)
            inside = any(function for function, _, _ in opened)
            value = bool(head) and not head[-1].isspace()
            opened.append((bool(body) and not container and not inside and not value, line, head if value else ""))
            head = ""
        elif character == "}" and opened:
            function, start, head = opened.pop()
            if function and line - start + 1 > FUNCTION_LINES:
                yield start, line - start + 1
        else:
            head = "" if character in ";}" else head + character


def size_offences(root):
    for folder, limit in FILE_LINES.items():
        for path in sorted(cpp_files(root, folder)):
            with open(os.path.join(root, path), encoding="utf-8") as file:
                text = file.read()
            lines = text.count("\n")
            if lines > limit:
                yield f"{path}: {lines} lines, at most {limit}"
            for line, length in long_functions(text):
                yield f"{path}:{line}: a function of {length} lines, at most {FUNCTION_LINES}"
    for path, _, names in os.walk(os.path.join(root, "src")):
        count = sum(name.endswith((".h", ".cpp", ".cu", ".cuh")) for name in names)
        if count > FOLDER_FILES:
            yield f"{os.path.relpath(path, root)}: {count} source files, at most {FOLDER_FILES}"


def main():
    check = {"format": format_offences, "size": size_offences}[sys.argv[1]]
    offences = list(check(os.path.abspath(sys.argv[2])))
    print("\n".join(offences) or "nothing found")
    return 1 if offences else 0


if __name__ == "__main__":
    sys.exit(main())
