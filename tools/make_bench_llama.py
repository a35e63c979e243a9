"""Llama-family GGUF files of random weights in the shape of TinyLlama (1.1 billion parameters), for measuring speed.

    python tools/make_bench_llama.py OUT_DIR [f16 q8_0 q4_0 q4_k_m ...] [--layers 22] [--context 2048]

Writes `OUT_DIR/tinyllama-<kind>.gguf` without a vocabulary. The blocks of quantized types are random bytes with scales
that give weights of a standard deviation near 0.02; nothing is quantized.
"""

import argparse
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf import LlamaFileType

WIDTH, FFN, HEADS, KV_HEADS, VOCAB = 2048, 5632, 32, 4, 32000
STD = 0.02

FILE_TYPES = {
    "f16": LlamaFileType.MOSTLY_F16, "q8_0": LlamaFileType.MOSTLY_Q8_0, "q4_0": LlamaFileType.MOSTLY_Q4_0,
    "q4_k_m": LlamaFileType.MOSTLY_Q4_K_M,
}
# f16 numbers of a block: offset and value.
HALVES = {
    Type.Q8_0: [(0, STD / 74)],
    Type.Q4_0: [(0, STD / 4.6)],
    Type.Q4_K: [(0, STD / (32 * 4.6)), (2, 7.5 * STD / (32 * 4.6))],
    Type.Q6_K: [(208, STD / (74 * 18.5))],
}


def type_of(kind: str, name: str, layer: int, layers: int) -> Type:
    """The type of a matrix; for q4_k_m the mix that llama.cpp's quantizer makes."""
    if kind == "f16":
        return Type.F16
    if kind != "q4_k_m":
        return Type[kind.upper()]
    if name == "output.weight":
        return Type.Q6_K
    better = layer < layers // 8 or layer >= 7 * layers // 8 or (layer - layers // 8) % 3 == 2
    return Type.Q6_K if better and name.endswith(("attn_v.weight", "ffn_down.weight")) else Type.Q4_K


def matrix(type_: Type, rows: int, columns: int, rng: np.random.Generator) -> np.ndarray:
    if type_ == Type.F16:
        return (rng.standard_normal((rows, columns), dtype=np.float32) * STD).astype(np.float16)
    block, n_bytes = gguf.GGML_QUANT_SIZES[type_]
    data = rng.integers(0, 256, size=(rows * columns // block, n_bytes), dtype=np.uint8)
    for offset, value in HALVES[type_]:
        data[:, offset : offset + 2] = np.array([value], dtype="<f2").view(np.uint8)
    return data.reshape(rows, columns // block * n_bytes)


def write(out: Path, kind: str, layers: int, context: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    writer = gguf.GGUFWriter(str(out), "llama")
    writer.add_name(f"random weights in the shape of TinyLlama, {kind}")
    writer.add_block_count(layers)
    writer.add_context_length(context)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(FFN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(VOCAB)
    writer.add_file_type(FILE_TYPES[kind])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_tokenizer_model("none")

    def add(name: str, rows: int, columns: int, layer: int = 0) -> None:
        type_ = type_of(kind, name, layer, layers)
        writer.add_tensor(name, matrix(type_, rows, columns, rng), raw_dtype=type_)

    def norm(name: str) -> None:
        writer.add_tensor(name, (1 + 0.1 * rng.standard_normal(WIDTH)).astype(np.float32))

    kv = WIDTH // HEADS * KV_HEADS
    add("token_embd.weight", VOCAB, WIDTH)
    for i in range(layers):
        norm(f"blk.{i}.attn_norm.weight")
        norm(f"blk.{i}.ffn_norm.weight")
        for name, rows, columns in [
            ("attn_q", WIDTH, WIDTH), ("attn_k", kv, WIDTH), ("attn_v", kv, WIDTH), ("attn_output", WIDTH, WIDTH),
            ("ffn_gate", FFN, WIDTH), ("ffn_up", FFN, WIDTH), ("ffn_down", WIDTH, FFN),
        ]:
            add(f"blk.{i}.{name}.weight", rows, columns, i)
    norm("output_norm.weight")
    add("output.weight", VOCAB, WIDTH)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("kinds", nargs="*", default=list(FILE_TYPES), metavar="kind", help=", ".join(FILE_TYPES))
    parser.add_argument("--layers", type=int, default=22)
    parser.add_argument("--context", type=int, default=2048)
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args()
    for kind in args.kinds:
        if kind not in FILE_TYPES:
            parser.error(f"expected one of {', '.join(FILE_TYPES)}, found {kind}")
    args.out.mkdir(parents=True, exist_ok=True)
    for kind in args.kinds:
        write(args.out / f"tinyllama-{kind}.gguf", kind, args.layers, args.context, args.seed)


if __name__ == "__main__":
    main()
