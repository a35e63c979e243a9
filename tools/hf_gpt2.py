"""Reads Hugging Face GPT-2 directories for the GGUF converter: hyperparameters, byte-level BPE, tensors."""

import json
import re
from pathlib import Path
from typing import Iterator

import torch
from safetensors.torch import load_file

from gguf_gpt2 import Shape, Vocabulary, write_gpt2

OUTER_NAMES = {
    "wte.weight": "token_embd.weight",
    "wpe.weight": "position_embd.weight",
    "ln_f.weight": "output_norm.weight",
    "ln_f.bias": "output_norm.bias",
}
BLOCK_NAMES = {
    "ln_1": "attn_norm",
    "attn.c_attn": "attn_qkv",
    "attn.c_proj": "attn_output",
    "ln_2": "ffn_norm",
    "mlp.c_fc": "ffn_up",
    "mlp.c_proj": "ffn_down",
}


def read_shape(directory: Path) -> Shape:
    """Hyperparameters from config.json; refuses what the architecture `gpt2` of GGUF cannot say."""
    config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    activation = config.get("activation_function", "gelu_new")
    if activation not in ("gelu_new", "gelu_pytorch_tanh"):
        raise ValueError(f"config.json: activation_function {activation} has no GGUF key; `gpt2` files mean gelu_new")
    if not config.get("scale_attn_weights", True) or config.get("scale_attn_by_inverse_layer_idx", False):
        raise ValueError("config.json: only the plain 1/sqrt(head_dim) scaling of scores can be written")
    return Shape(
        name=directory.resolve().name, vocab=config["vocab_size"], context=config["n_positions"], width=config["n_embd"],
        layers=config["n_layer"], heads=config["n_head"], ffn=config.get("n_inner") or 4 * config["n_embd"],
        epsilon=config["layer_norm_epsilon"],
    )


def read_vocabulary(directory: Path, size: int) -> Vocabulary | None:
    """The byte-level BPE of tokenizer.json, or None when there is no such file."""
    path = directory / "tokenizer.json"
    if not path.exists():
        return None
    tokenizer = json.loads(path.read_text(encoding="utf-8"))
    by_id = {index: token for token, index in tokenizer["model"]["vocab"].items()}
    special = set()
    for added in tokenizer["added_tokens"]:
        by_id[added["id"]] = added["content"]
        if added["special"]:
            special.add(added["id"])
    missing = [index for index in range(size) if index not in by_id]
    if missing or len(by_id) != size:
        raise ValueError(f"tokenizer.json: expected ids 0..{size - 1}, found {len(by_id)}, missing {missing[:5]}")
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in tokenizer["model"]["merges"]]
    tokens = [by_id[index] for index in range(size)]
    return Vocabulary(tokens=tokens, merges=merges, special=special, end=tokens.index("<|endoftext|>"))


def canonical_tensors(directory: Path) -> Iterator[tuple[str, torch.Tensor]]:
    """(GGUF name, tensor) pairs; Conv1D weights [in, out] become [out, in]; a tied head is left out."""
    stored = load_file(directory / "model.safetensors")
    for name in sorted(stored):
        short = name.removeprefix("transformer.")
        if short in OUTER_NAMES:
            yield OUTER_NAMES[short], stored[name]
            continue
        if short == "lm_head.weight" or re.fullmatch(r"h\.\d+\.attn\.(masked_)?bias", short):
            continue
        match = re.fullmatch(r"h\.(\d+)\.(.+)\.(weight|bias)", short)
        if match is None or match[2] not in BLOCK_NAMES:
            raise ValueError(f"model.safetensors: unexpected tensor {name}")
        tensor = stored[name]
        if tensor.dim() == 2:
            tensor = tensor.t()
        yield f"blk.{match[1]}.{BLOCK_NAMES[match[2]]}.{match[3]}", tensor


def convert_gpt2(directory: Path, out: Path, kind: str) -> list[str]:
    """Reads `directory`, writes `out`; returns notes about tensors that could not be written in `kind`."""
    shape = read_shape(directory)
    return write_gpt2(out, shape, read_vocabulary(directory, shape.vocab), canonical_tensors(directory), kind)
