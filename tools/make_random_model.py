#!/usr/bin/env python3
"""Writes a GPT-2 of a given shape with seeded random weights and a synthetic vocabulary as GGUF, for benchmarks.

    python3 tools/make_random_model.py --shape gpt2-124m --type f16 --out gpt2-124m-f16.gguf
"""

import argparse
import itertools
from pathlib import Path
from typing import Iterator

import torch
from tokenizers import pre_tokenizers

from gguf_gpt2 import Shape, Vocabulary, write_gpt2

SHAPES = {
    "gpt2-124m": Shape("gpt2-124m-random", 50257, 1024, 768, 12, 12, 3072, 1e-5),
    "gpt2-355m": Shape("gpt2-355m-random", 50257, 1024, 1024, 24, 16, 4096, 1e-5),
}


def synthetic_vocabulary(size: int) -> Vocabulary:
    """The 256 bytes, then pairs of them in order (each its own merge), then the end-of-text token."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    pairs = list(itertools.islice(itertools.product(alphabet, alphabet), size - len(alphabet) - 1))
    tokens = alphabet + [left + right for left, right in pairs] + ["<|endoftext|>"]
    if len(tokens) != size:
        raise ValueError(f"a synthetic vocabulary has 257 to {256 + 256 * 256 + 1} ids, asked for {size}")
    merges = [f"{left} {right}" for left, right in pairs]
    return Vocabulary(tokens=tokens, merges=merges, special={size - 1}, end=size - 1)


def random_tensors(shape: Shape, seed: int) -> Iterator[tuple[str, torch.Tensor]]:
    """Canonical names, [out, in]; standard deviations as GPT-2 is initialized, biases small but not zero."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*dims: int, std: float = 0.02) -> torch.Tensor:
        return torch.randn(dims, generator=generator) * std

    width, ffn, residual = shape.width, shape.ffn, 0.02 / (2 * shape.layers) ** 0.5
    yield "token_embd.weight", normal(shape.vocab, width)
    yield "position_embd.weight", normal(shape.context, width, std=0.01)
    for layer in range(shape.layers):
        for name, rows, columns, std in (
            ("attn_qkv", 3 * width, width, 0.02), ("attn_output", width, width, residual),
            ("ffn_up", ffn, width, 0.02), ("ffn_down", width, ffn, residual),
        ):
            yield f"blk.{layer}.{name}.weight", normal(rows, columns, std=std)
            yield f"blk.{layer}.{name}.bias", normal(rows)
        for name in ("attn_norm", "ffn_norm"):
            yield f"blk.{layer}.{name}.weight", 1.0 + normal(width)
            yield f"blk.{layer}.{name}.bias", normal(width)
    yield "output_norm.weight", 1.0 + normal(width)
    yield "output_norm.bias", normal(width)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=sorted(SHAPES), default="gpt2-124m")
    parser.add_argument("--type", choices=["f32", "f16", "bf16"], default="f32", help="type of the matrices")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    shape = SHAPES[args.shape]
    write_gpt2(args.out, shape, synthetic_vocabulary(shape.vocab), random_tensors(shape, args.seed), args.type)
    print(f"{args.out}: {args.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
