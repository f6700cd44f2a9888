"""tools/setup with wheels of a few bytes: what it fetches, what it refuses, and what it says of drivers and of CMake.

setup_test.py SOURCES    (exit code 77: there is no pip)
"""
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest
import zipfile

SOURCES = pathlib.Path(sys.argv[1])
TORCH = "torch-2.11.0/torch/lib/"


def write(path, text="", mode=0o644):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


class Driver(unittest.TestCase):
    """wants_cuda of tools/lib/cuda.sh, on folders that stand for a machine."""

    def wants(self, root, asked=""):
        script = f"say() {{ echo \"$*\"; }}; source '{SOURCES}/tools/lib/cuda.sh'; wants_cuda '{asked}' '{root}'"
        done = subprocess.run(["bash", "-euc", script], stdout=subprocess.PIPE, text=True)
        return done.returncode == 0, done.stdout

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.root = pathlib.Path(self.folder.name)

    def tearDown(self):
        self.folder.cleanup()

    def load(self, version):
        write(self.root / "proc/driver/nvidia/version", f"NVRM version: NVIDIA UNIX x86_64 Kernel Module  {version}  Thu\n")

    def test_no_gpu_needs_no_word(self):
        self.assertEqual(self.wants(self.root), (False, ""))

    def test_asked_for_without_a_driver(self):
        wanted, said = self.wants(self.root, "yes")
        self.assertTrue(wanted)
        self.assertIn("no NVIDIA driver", said)

    def test_gpu_without_its_driver(self):
        write(self.root / "sys/bus/pci/devices/0000:01:00.0/vendor", "0x10de\n")
        write(self.root / "sys/bus/pci/devices/0000:01:00.0/class", "0x030200\n")
        wanted, said = self.wants(self.root)
        self.assertFalse(wanted)
        self.assertIn("its driver is not loaded", said)

    def test_old_driver_is_named(self):
        self.load("535.183.01")
        for asked in ["", "yes"]:
            wanted, said = self.wants(self.root, asked)
            self.assertEqual(wanted, asked == "yes")
            self.assertIn("driver 535.183.01 is too old", said)
            self.assertIn("580 or later", said)

    def test_new_driver_is_used(self):
        self.load("580.65.06")
        wanted, said = self.wants(self.root)
        self.assertTrue(wanted)
        self.assertIn("580.65.06", said)
        self.assertEqual(self.wants(self.root, "no"), (False, ""))

    def test_driver_of_windows(self):
        write(self.root / "dev/dxg")
        write(self.root / "usr/lib/wsl/lib/nvidia-smi", "#!/bin/sh\necho 591.44\necho 591.44\n", 0o755)
        wanted, said = self.wants(self.root)
        self.assertTrue(wanted)
        self.assertIn("591.44", said)

    def test_least_driver_is_that_of_the_program(self):
        self.assertIn("case 13: return 580;", (SOURCES / "src/tensor/cuda_driver.cpp").read_text())
        self.assertIn("least_driver=580 ", (SOURCES / "tools/lib/cuda.sh").read_text())


class Fetch(unittest.TestCase):
    """tools/setup itself, beside lists that name small wheels."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.work = pathlib.Path(cls.folder.name)
        shutil.copytree(SOURCES / "tools", cls.work / "tools", ignore=lambda _, names: set(names) - {"setup", "lib", "cuda.sh"})
        write(cls.work / "cmake/TorchRoot.cmake", (SOURCES / "cmake/TorchRoot.cmake").read_text())
        libraries = {}
        for name, needs in [("c10", []), ("torch_cpu", ["c10"]), ("c10_cuda", ["c10"]), ("torch_cuda", ["torch_cpu", "c10_cuda"])]:
            file = cls.work / f"build/lib{name}.so"
            file.parent.mkdir(exist_ok=True)
            source = "".join(f"int of_{need}();" for need in needs)
            source += f"int of_{name}() {{ return 1 {''.join(f'+ of_{need}()' for need in needs)}; }}"
            subprocess.run(["c++", "-x", "c++", "-", "-shared", "-fPIC", "-o", file, f"-L{file.parent}",
                            "-Wl,-rpath,$ORIGIN", *[f"-l{need}" for need in needs]], input=source, text=True, check=True)
            libraries[f"torch/lib/{file.name}"] = file.read_bytes()
        libraries["torch/include/torch/version.h"] = b""
        lines = [cls.wheel("torch", "2.11.0", libraries)]
        for part in ["cupti", "runtime"]:
            lines.append(cls.wheel(f"nvidia-cuda-{part}", "13.0", {f"nvidia/cu13/lib/libcu{part}.so.13": b""}))
        write(cls.work / "tools/lib/torch-wheels.txt", "# lines\n" + "".join(lines))
        cublas = cls.wheel("nvidia-cublas", "13.1", {"nvidia/cu13/lib/libcublas.so.13": b"", "nvidia/cu13/lib/libnvblas.so.13": b""})
        write(cls.work / "tools/lib/cuda-wheels.txt", cublas)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    @classmethod
    def wheel(cls, package, version, files):
        """-> its line of a list"""
        name = f"{package.replace('-', '_')}-{version}"
        file = cls.work / f"wheels/{name}-py3-none-any.whl"
        file.parent.mkdir(exist_ok=True)
        about = {"METADATA": f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n",
                 "WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n", "RECORD": ""}
        with zipfile.ZipFile(file, "w") as archive:
            for path, content in {**files, **{f"{name}.dist-info/{key}": text for key, text in about.items()}}.items():
                archive.writestr(path, content)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        return f"{package}=={version} --hash=sha256:{digest}  # {file.stat().st_size}\n"

    def setup(self, *words, cache="cache", tools="tools"):
        environment = {**os.environ, "XDG_CACHE_HOME": str(self.work / cache), "PIP_NO_INDEX": "1",
                       "PIP_FIND_LINKS": str(self.work / "wheels"), "CMAKE_PREFIX_PATH": ""}
        done = subprocess.run([self.work / tools / "setup", *words], stderr=subprocess.PIPE, text=True, env=environment)
        return done.returncode, done.stderr

    def test_cuda_part_joins_what_is_there(self):
        tree = self.work / "cache/salf"
        code, said = self.setup("--cpu", "torch")
        self.assertEqual(code, 0, said)
        self.assertFalse((tree / TORCH / "libtorch_cuda.so").exists())
        write(tree / TORCH / "kept", "a file that is there stays")
        # What a killed run leaves: half of a wheel, and of a tree.
        write(tree / ".new/wheels/nvidia_cublas-13.1-py3-none-any.whl", "half of it")
        write(tree / ".new/tree/torch/lib/libtorch_cuda.so", "half of it")
        code, said = self.setup("--cuda", "torch")
        self.assertEqual(code, 0, said)
        self.assertGreater((tree / TORCH / "libtorch_cuda.so").stat().st_size, 1000)
        self.assertIn("to download, 4.0 GB on disk", said)
        for file in [TORCH + "libtorch_cuda.so", TORCH + "kept", "torch-2.11.0/nvidia/cu13/lib/libcublas.so.13"]:
            self.assertTrue((tree / file).exists(), file)
        self.assertFalse((tree / "torch-2.11.0/nvidia/cu13/lib/libnvblas.so.13").exists())
        self.assertFalse((tree / ".new").exists())
        code, said = self.setup("--cuda", "torch")  # nothing is fetched again
        self.assertEqual((code, "fetching" in said), (0, False))

    def copy(self, name, list_name, change):
        shutil.copytree(self.work / "tools", self.work / name / "tools")
        write(self.work / name / "cmake/TorchRoot.cmake", (self.work / "cmake/TorchRoot.cmake").read_text())
        text = (self.work / "tools/lib" / list_name).read_text()
        write(self.work / name / "tools/lib" / list_name, change(text))
        return f"{name}/tools"

    def test_full_disk_is_seen_before_the_download(self):
        tools = self.copy("large", "torch-wheels.txt", lambda text: text.rstrip() + "0" * 15 + "\n")
        code, said = self.setup("--cpu", "torch", cache="full", tools=tools)
        self.assertEqual(code, 1)
        self.assertIn("Make room, or name another folder: XDG_CACHE_HOME=DIR", said)
        self.assertFalse((self.work / "full/salf/.new").exists())

    def test_another_hash_is_refused(self):
        tools = self.copy("changed", "torch-wheels.txt",
                          lambda text: text.replace(text.split("sha256:")[1][:8], "00000000", 1))
        code, said = self.setup("--cpu", "torch", cache="refused", tools=tools)
        self.assertEqual(code, 1)
        self.assertIn("could not be downloaded", said)
        self.assertFalse((self.work / "refused/salf/torch-2.11.0").exists())

    def test_old_cmake_is_told_what_to_do(self):
        write(self.work / "bin/cmake", "#!/bin/sh\necho 'cmake version 3.22.1'\n", 0o755)
        environment = {**os.environ, "PATH": f"{self.work}/bin:{os.environ['PATH']}"}
        done = subprocess.run([self.work / "tools/setup", "program"], stderr=subprocess.PIPE, text=True, env=environment)
        self.assertEqual(done.returncode, 1)
        self.assertIn("CMake 3.25 or later is needed", done.stderr)
        self.assertIn("pip install 'cmake>=3.25'", done.stderr)


class Layouts(unittest.TestCase):
    def found(self, *prefixes):
        environment = {**os.environ, "CMAKE_PREFIX_PATH": ":".join(map(str, prefixes)), "XDG_CACHE_HOME": "/none"}
        done = subprocess.run(["cmake", "-P", SOURCES / "cmake/TorchRoot.cmake"], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True, env=environment)
        return done.stdout.strip()

    def test_each_layout_is_found(self):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder).resolve()
            for place in ["site-packages/torch", "conda", "libtorch"]:
                write(root / place / "lib/libtorch_cpu.so")
                (root / place / "include/torch").mkdir(parents=True)
            (root / "site-packages/torch/share/cmake").mkdir(parents=True)
            for prefix, place in [("site-packages", "site-packages/torch"), ("site-packages/torch", "site-packages/torch"),
                                  ("site-packages/torch/share/cmake", "site-packages/torch"), ("conda", "conda"),
                                  ("libtorch", "libtorch")]:
                self.assertEqual(self.found(root / "nothing", root / prefix), str(root / place))
            self.assertEqual(self.found(root / "nothing"), "")


if __name__ == "__main__":
    if subprocess.run([sys.executable, "-m", "pip", "--version"], stdout=subprocess.DEVNULL).returncode != 0:
        sys.exit(77)
    unittest.main(argv=sys.argv[:1])
