#!/usr/bin/env python3
"""Writes a Hugging Face GPT-2, Llama or Mistral directory as GGUF (architectures `gpt2` and `llama`).

    python3 tools/convert_to_gguf.py models/tiny-gpt2 tiny-gpt2-f16.gguf --type f16
    python3 tools/convert_to_gguf.py Llama-2-7b-chat-hf llama-2-7b-chat-q8_0.gguf --type q8_0

A directory without tokenizer.json and tokenizer.model gives a file without a vocabulary. Quantized types are those the
`gguf` package can make; every matrix gets the same one.
"""

import argparse
import json
from pathlib import Path

from gguf_common import FILE_TYPES
from hf_gpt2 import convert_gpt2
from hf_llama import convert_llama

CONVERTERS = {"gpt2": convert_gpt2, "llama": convert_llama, "mistral": convert_llama}


def convert(directory: Path, out: Path, kind: str) -> list[str]:
    """Reads `directory`, writes `out`; returns notes about tensors that could not be written in `kind`."""
    model_type = json.loads((directory / "config.json").read_text(encoding="utf-8")).get("model_type")
    if model_type not in CONVERTERS:
        raise ValueError(f"{directory / 'config.json'}: expected model_type {', '.join(CONVERTERS)}, found {model_type}")
    return CONVERTERS[model_type](directory, out, kind)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--type", choices=list(FILE_TYPES), default="f16", help="type of the matrices")
    args = parser.parse_args()
    for note in convert(args.directory, args.out, args.type):
        print(note)
    print(f"{args.out}: {args.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
