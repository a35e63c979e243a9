#!/usr/bin/env python3
"""Writes a GPT-2 or a Llama of a given shape with seeded random weights and a synthetic vocabulary as GGUF, for benchmarks.

    python3 tools/make_random_model.py --shape gpt2-124m --type f16 --out gpt2-124m-f16.gguf
    python3 tools/make_random_model.py --shape tinyllama-1.1b --type f16 --out tinyllama-f16.gguf

The K-quants of such a file come from llama.cpp's llama-quantize. All tensors are in memory at once: twice the file.
"""

import argparse
import itertools
from pathlib import Path
from typing import Iterator

import gguf
import torch
from tokenizers import pre_tokenizers

import gguf_llama
from gguf_common import FILE_TYPES, ByteLevelVocabulary, SentencePieceVocabulary
from gguf_gpt2 import Shape, write_gpt2

GPT2_SHAPES = {
    "gpt2-124m": Shape("gpt2-124m-random", 50257, 1024, 768, 12, 12, 3072, 1e-5),
    "gpt2-355m": Shape("gpt2-355m-random", 50257, 1024, 1024, 24, 16, 4096, 1e-5),
}
# name, vocabulary, context, width, layers, heads, heads of keys, head_dim, feed-forward, epsilon
LLAMA_SHAPES = {
    "tinyllama-1.1b": gguf_llama.Shape("tinyllama-1.1b-random", 32000, 2048, 2048, 22, 32, 4, 64, 5632, 1e-5),
    "tinyllama-1.1b-8k": gguf_llama.Shape("tinyllama-1.1b-8k-random", 32000, 8192, 2048, 22, 32, 4, 64, 5632, 1e-5),
    "llama-160m": gguf_llama.Shape("llama-160m-random", 32000, 2048, 768, 12, 12, 12, 64, 3072, 1e-5),
}


def synthetic_vocabulary(size: int) -> ByteLevelVocabulary:
    """The 256 bytes, then pairs of them in order (each its own merge), then the end-of-text token."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    pairs = list(itertools.islice(itertools.product(alphabet, alphabet), size - len(alphabet) - 1))
    tokens = alphabet + [left + right for left, right in pairs] + ["<|endoftext|>"]
    if len(tokens) != size:
        raise ValueError(f"a synthetic vocabulary has 257 to {256 + 256 * 256 + 1} ids, asked for {size}")
    merges = [f"{left} {right}" for left, right in pairs]
    return ByteLevelVocabulary(tokens=tokens, merges=merges, special={size - 1}, end=size - 1)


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


def synthetic_pieces(size: int) -> SentencePieceVocabulary:
    """<unk>, <s>, </s>, the 256 bytes, then letters and all strings of two, three ... of them, shorter ones first."""
    letters = "\u2581etaoinshrdlucmfwypvbgkjqxz"
    strings = ("".join(parts) for length in itertools.count(1) for parts in itertools.product(letters, repeat=length))
    tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    if size <= len(tokens):
        raise ValueError(f"a synthetic vocabulary has more than {len(tokens)} ids, asked for {size}")
    types = [gguf.TokenType.UNKNOWN] + 2 * [gguf.TokenType.CONTROL] + 256 * [gguf.TokenType.BYTE]
    pieces = list(itertools.islice(strings, size - len(tokens)))
    scores = len(tokens) * [0.0] + [-float(rank) for rank in range(len(pieces))]
    return SentencePieceVocabulary(
        tokens=tokens + pieces, scores=scores, types=types + len(pieces) * [gguf.TokenType.NORMAL], begin=1, end=2
    )


def random_llama_tensors(shape: gguf_llama.Shape, seed: int) -> Iterator[tuple[str, torch.Tensor]]:
    """Canonical names, [out, in]; standard deviations as Llama is initialized, gains about 1, a head of its own."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*dims: int) -> torch.Tensor:
        return torch.randn(dims, generator=generator) * 0.02

    width, keys, queries = shape.width, shape.kv_heads * shape.head_dim, shape.heads * shape.head_dim
    yield "token_embd.weight", normal(shape.vocab, width)
    for layer in range(shape.layers):
        for name, rows, columns in (
            ("attn_q", queries, width), ("attn_k", keys, width), ("attn_v", keys, width), ("attn_output", width, queries),
            ("ffn_gate", shape.ffn, width), ("ffn_up", shape.ffn, width), ("ffn_down", width, shape.ffn),
        ):
            yield f"blk.{layer}.{name}.weight", normal(rows, columns)
        for name in ("attn_norm", "ffn_norm"):
            yield f"blk.{layer}.{name}.weight", 1.0 + normal(width)
    yield "output_norm.weight", 1.0 + normal(width)
    yield "output.weight", normal(shape.vocab, width)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=sorted(GPT2_SHAPES | LLAMA_SHAPES), default="gpt2-124m")
    parser.add_argument("--type", choices=list(FILE_TYPES), default="f32", help="type of the matrices")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    if args.shape in GPT2_SHAPES:
        shape = GPT2_SHAPES[args.shape]
        write_gpt2(args.out, shape, synthetic_vocabulary(shape.vocab), random_tensors(shape, args.seed), args.type)
    else:
        shape = LLAMA_SHAPES[args.shape]
        tensors = random_llama_tensors(shape, args.seed)
        gguf_llama.write_llama(args.out, shape, synthetic_pieces(shape.vocab), tensors, args.type)
    print(f"{args.out}: {args.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
