"""make_wheel.py STAGE VERSION FOLDER: a wheel of an installed tree (components program and libraries, stripped).

The program and the libraries it needs become the package salf, with packaging/launcher.py as the only Python; manual
pages and completions go to share/. Prints the wheel's path.
"""
import base64
import hashlib
import os
import pathlib
import re
import subprocess
import sys
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
TORCH = re.search(r'TORCH = "(.*?)"', (ROOT / "packaging/launcher.py").read_text())[1]
METADATA = """Metadata-Version: 2.1
Name: salf
Version: {version}
Summary: Fine-tunes a language model within a budget, and only the layers that need it
License: Apache-2.0
Keywords: fine-tuning,LoRA,layer freezing,language model
Classifier: Environment :: Console
Classifier: Operating System :: POSIX :: Linux
Classifier: Programming Language :: C++
Requires-Python: >=3.9
Requires-Dist: torch=={torch}
Description-Content-Type: text/markdown

{readme}"""


def newest_glibc(files):
    """The newest version of the C library that one of these asks for, as (2, 36)."""
    versions = [(2, 17)]
    for path in files:
        symbols = subprocess.run(["objdump", "-T", path], stdout=subprocess.PIPE, text=True, check=True).stdout
        versions += [tuple(map(int, found.split("."))) for found in re.findall(r"GLIBC_(2\.\d+)", symbols)]
    return max(versions)


class Wheel:
    def __init__(self, path, information):
        self.archive = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9)
        self.information = information
        self.record = []

    def add(self, name, data, executable=False):
        entry = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
        entry.compress_type = zipfile.ZIP_DEFLATED
        entry.external_attr = (0o100755 if executable else 0o100644) << 16
        self.archive.writestr(entry, data)
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        self.record.append(f"{name},sha256={digest},{len(data)}")

    def close(self):
        name = f"{self.information}/RECORD"
        self.archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), "\n".join(self.record + [f"{name},,", ""]))
        self.archive.close()


def libraries(folder):
    """Name that the loader asks for -> file. Links to a library are left out but for that one."""
    result = {}
    for path in sorted(folder.glob("*.so*")):
        if not path.is_symlink():
            dynamic = subprocess.run(["readelf", "-d", path], stdout=subprocess.PIPE, text=True, check=True).stdout
            name = re.search(r"SONAME.*\[(.*)\]", dynamic)
            result[name[1] if name else path.name] = path
    return result


def main():
    stage, version, folder = pathlib.Path(sys.argv[1]), sys.argv[2], pathlib.Path(sys.argv[3])
    program, needed = stage / "bin/salf", libraries(stage / "lib/salf")
    glibc = newest_glibc([program, *needed.values()])
    tag = f"py3-none-manylinux_{glibc[0]}_{glibc[1]}_x86_64"
    path = folder / f"salf-{version}-{tag}.whl"
    information = f"salf-{version}.dist-info"
    wheel = Wheel(path, information)
    wheel.add("salf/__init__.py", (ROOT / "packaging/launcher.py").read_bytes())
    wheel.add("salf/__main__.py", b"from salf import main\n\nmain()\n")
    wheel.add("salf/bin/salf", program.read_bytes(), executable=True)
    for name, file in needed.items():
        wheel.add(f"salf/lib/salf/{name}", file.read_bytes())
    for file in sorted((stage / "share").rglob("*")):
        name = file.relative_to(stage / "share")
        if file.is_file() and name.parts[0] in ("man", "bash-completion", "zsh", "fish"):
            wheel.add(f"salf-{version}.data/data/share/{name}", file.read_bytes())
        elif file.is_file() and name.parts[:3] == ("doc", "salf", "licenses"):
            wheel.add(f"{information}/licenses/{'/'.join(name.parts[3:])}", file.read_bytes())
    for name in ("LICENSE", "NOTICE"):
        wheel.add(f"{information}/licenses/{name}", (ROOT / name).read_bytes())
    readme = re.sub(r"^!\[.*\n\n", "", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    wheel.add(f"{information}/METADATA", METADATA.format(version=version, torch=TORCH, readme=readme).encode())
    wheel.add(f"{information}/WHEEL", f"Wheel-Version: 1.0\nGenerator: salf\nRoot-Is-Purelib: false\nTag: {tag}\n".encode())
    wheel.add(f"{information}/entry_points.txt", b"[console_scripts]\nsalf = salf:main\n")
    wheel.close()
    print(os.fspath(path))


if __name__ == "__main__":
    main()
