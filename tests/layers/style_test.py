"""check_style finds what it is for: long functions, long files, full folders and text that is not formatted."""
import os
import tempfile

import check_style


def lengths(text):
    return [length for _, length in check_style.long_functions(text)]


def main():
    long_body = " {\n" + "  x();\n" * 60 + "}\n"
    assert lengths("void f(int a)" + long_body) == [62]
    assert lengths("namespace n {\nstruct S {\nint f() const" + long_body + "};\n}\n") == [62]
    assert lengths("S::S(int a)\n    : a_(a), b_{3}" + long_body) == [62]
    assert lengths("auto f() -> int" + long_body) == [62]
    assert lengths("void f() {\n" + "  if (x) {\n    y(\"}\", '}');  // }\n  }\n" * 20 + "}\n") == [62]
    assert lengths("void f() {\n" + "  x();\n" * 48 + "}\n") == []
    assert lengths("struct S" + long_body + "namespace n" + long_body + "int t[] =" + long_body) == []

    with tempfile.TemporaryDirectory() as root:
        os.makedirs(os.path.join(root, "tools/salf/commands"))
        os.makedirs(os.path.join(root, "src/app"))
        with open(os.path.join(root, "tools/salf/commands/a.cpp"), "w", encoding="utf-8") as file:
            file.write("int x;\n" * 151)
        for number in range(31):
            with open(os.path.join(root, f"src/app/{number}.h"), "w", encoding="utf-8") as file:
                file.write("int  x;\n" * 250)
        found = list(check_style.size_offences(root))
        assert found == ["tools/salf/commands/a.cpp: 151 lines, at most 150", "src/app: 31 source files, at most 30"], found
        if check_style.clang_format():
            assert len(list(check_style.format_offences(root))) == 31


main()
