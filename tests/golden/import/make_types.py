#!/usr/bin/env python3
"""types.gguf: one tensor of each encoding that salf and the package read, and types.f32: what the `gguf` package decodes from them.

    /tmp/peer/bin/python make_types.py        (shared/bench/hf_peer.py says how to make /tmp/peer)

Scales are finite half floats of both signs and several sizes, packed integers are any bytes, so all bit patterns of the layouts occur.
types.f32 holds the tensors' values one after another, in the file's order, little endian.
"""
import os

import gguf
import numpy as np

TYPES = ["F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K",
         "Q2_K", "Q3_K", "IQ4_NL", "IQ4_XS", "MXFP4", "TQ1_0", "TQ2_0", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S", "IQ1_S"]
# Byte offsets of the half-float scales in a block.
SCALES = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208],
          "Q2_K": [80, 82], "Q3_K": [108], "TQ1_0": [52], "TQ2_0": [64], "MXFP4": []}
ROWS, COLUMNS = 2, 256


def encoded(name, random):
    if name in ("F32", "F16", "BF16"):
        values = (random.standard_normal((ROWS, COLUMNS)) * 10.0 ** random.integers(-8, 4, (ROWS, COLUMNS))).astype(np.float32)
        if name == "F32":
            return values
        return values.astype(np.float16) if name == "F16" else gguf.quants.quantize(values, gguf.GGMLQuantizationType.BF16)
    elements, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[name]]
    blocks = random.integers(0, 256, (ROWS, COLUMNS // elements, size), dtype=np.uint8)
    if name == "MXFP4":  # powers of two
        blocks[:, :, 0] = random.integers(100, 150, blocks.shape[:2])
    for at in SCALES.get(name, [0]):
        scales = (random.standard_normal(blocks.shape[:2]) * 10.0 ** random.integers(-6, 2, blocks.shape[:2])).astype(np.float16)
        blocks[:, :, at : at + 2] = scales[..., None].view(np.uint8)
    return blocks.reshape(ROWS, -1)


def main():
    folder = os.path.dirname(os.path.abspath(__file__))
    random = np.random.default_rng(20240611)
    writer = gguf.GGUFWriter(os.path.join(folder, "types.gguf"), "none")
    decoded = []
    for name in TYPES:
        data = encoded(name, random)
        kind = gguf.GGMLQuantizationType[name]
        writer.add_tensor(name, data, raw_dtype=kind)
        values = gguf.quants.dequantize(data if name in ("F32", "F16") else data.view(np.uint8), kind)
        assert np.isfinite(values).all(), name
        decoded.append(values.astype("<f4").ravel())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    np.concatenate(decoded).tofile(os.path.join(folder, "types.f32"))


if __name__ == "__main__":
    main()
