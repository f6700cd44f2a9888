"""Starts the salf program of this wheel with the LibTorch of the torch package beside it."""
import importlib.metadata
import importlib.util
import os
import sys

TORCH = "2.11.0"  # what the program is built with; LibTorch's C++ interface is no other version's


def torch_folder():
    """The folder of torch's libraries. Says what to do where there is none, or another version's."""
    found = importlib.util.find_spec("torch")
    if found is None or not found.submodule_search_locations:
        sys.exit(f"salf: error: the package torch is not installed; install it: pip install torch=={TORCH}")
    version = importlib.metadata.version("torch").split("+")[0]
    if version != TORCH:
        sys.exit(f"salf: error: expected torch {TORCH}, got {version}; install it: pip install torch=={TORCH}")
    return os.path.join(list(found.submodule_search_locations)[0], "lib")


def main():
    program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bin", "salf")
    folders = [torch_folder()] + [folder for folder in os.environ.get("LD_LIBRARY_PATH", "").split(":") if folder]
    os.environ["LD_LIBRARY_PATH"] = ":".join(folders)
    try:
        os.execv(program, ["salf"] + sys.argv[1:])
    except OSError as error:
        sys.exit(f"salf: error: {program} does not start: {error.strerror}")


if __name__ == "__main__":
    main()
