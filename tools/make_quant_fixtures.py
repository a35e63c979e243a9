"""Random blocks of every quantized type with the values that the `gguf` package reads from them.

    python tools/make_quant_fixtures.py [tests/fixtures/quant]

Writes one `<type>.bin` per type: the blocks as in a file, then the expected values as little-endian f32; and
`manifest.json` with the versions and the counts.
"""

import json
import sys
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from importlib.metadata import version

TYPES = ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS"]

# Where the f16 numbers of a block lie: offsets of scale and, where there is one, minimum.
HALVES = {
    "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82], "Q3_K": [108],
    "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "IQ4_NL": [0], "IQ4_XS": [0],
}
# Scales of all kinds: zero and its negative, subnormal numbers, the smallest normal one, ordinary ones, the largest.
SCALES = [0x0000, 0x8000, 0x0001, 0x83FF, 0x0400, 0x1234, 0x9ABC, 0x3C00, 0xBC00, 0x7BFF, 0xFBFF]


def blocks_of(name: str, rng: np.random.Generator) -> np.ndarray:
    columns, n_bytes = gguf.GGML_QUANT_SIZES[Type[name]]
    n_blocks = len(SCALES) + 5 if columns == 32 else len(SCALES)
    blocks = rng.integers(0, 256, size=(n_blocks, n_bytes), dtype=np.uint8)
    blocks[0, :] = np.where(np.arange(n_bytes) % 2 == 0, 0xFF, 0x00)
    blocks[1, :] = 0xFF
    for i in range(n_blocks):
        for j, offset in enumerate(HALVES[name]):
            scale = SCALES[(i + 3 * j) % len(SCALES)] if i < len(SCALES) else int(rng.integers(0x2000, 0x3C00))
            blocks[i, offset : offset + 2] = np.array([scale], dtype="<u2").view(np.uint8)
    return blocks


def main() -> None:
    out = Path(sys.argv[1] if len(sys.argv) > 1 else "tests/fixtures/quant")
    out.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(20)
    manifest = {"gguf": version("gguf"), "numpy": np.__version__, "types": {}}
    for name in TYPES:
        blocks = blocks_of(name, rng)
        with np.errstate(over="ignore"):
            values = gguf.quants.dequantize(blocks, Type[name]).astype("<f4").reshape(-1)
        assert np.isfinite(values).all()
        (out / f"{name.lower()}.bin").write_bytes(blocks.tobytes() + values.tobytes())
        manifest["types"][name] = {"blocks": int(blocks.shape[0]), "block_bytes": int(blocks.shape[1]), "values": int(values.size)}
    (out / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")


if __name__ == "__main__":
    main()
