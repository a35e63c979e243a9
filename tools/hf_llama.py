"""Reads Hugging Face Llama and Mistral directories for the GGUF converter: hyperparameters and (sharded) tensors."""

import json
import re
from pathlib import Path
from typing import Iterator

import torch
from safetensors import safe_open

from gguf_llama import Rope, Shape, interleave_rows, write_llama
from hf_vocabulary import read_vocabulary

OUTER_NAMES = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}
BLOCK_NAMES = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def read_rope(config: dict) -> Rope:
    """Base and scaling, from `rope_parameters` (transformers 5) or `rope_theta` and `rope_scaling`."""
    found = config.get("rope_parameters") or config.get("rope_scaling") or {}
    base = found.get("rope_theta", config.get("rope_theta", 10000.0))
    scaling = found.get("rope_type") or found.get("type") or "default"
    if found.get("type") not in (None, scaling):
        raise ValueError(f"config.json: rotary type: expected {scaling}, as rope_type says, found {found['type']}")
    if scaling in ("default", "none"):
        if found.get("factor") not in (None, 1):
            raise ValueError(f"config.json: rope parameter factor = {found['factor']} stands beside no type of scaling")
        return Rope(base=base)
    if scaling not in ("linear", "llama3", "yarn"):
        raise ValueError(f"config.json: rope_type {scaling}: expected default, linear, llama3 or yarn")
    for key in ("attention_factor", "mscale", "mscale_all_dim"):
        if found.get(key) is not None and (found[key] != 0 or key == "attention_factor"):
            raise ValueError(f"config.json: rope parameter {key} = {found[key]} cannot be said in GGUF's `llama`")
    if not found.get("truncate", True):
        raise ValueError("config.json: rope parameter truncate = false cannot be said in GGUF's `llama`")
    return Rope(
        base=base, scaling=scaling, factor=found["factor"],
        original_context=found.get("original_max_position_embeddings", config["max_position_embeddings"]),
        low_frequency=found.get("low_freq_factor", 1.0), high_frequency=found.get("high_freq_factor", 4.0),
        beta_fast=found.get("beta_fast") or 32.0, beta_slow=found.get("beta_slow") or 1.0,
    )


def read_shape(directory: Path, config: dict) -> Shape:
    """Hyperparameters from config.json; refuses what the architecture `llama` of GGUF cannot say."""
    if config.get("hidden_act", "silu") != "silu":
        raise ValueError(f"config.json: hidden_act {config['hidden_act']} has no GGUF key; `llama` files mean silu")
    heads = config["num_attention_heads"]
    mistral = config["model_type"] == "mistral"  # whose own defaults hold where the file says nothing
    rope = read_rope(config)
    context = config["max_position_embeddings"]
    if rope.scaling == "linear" and context < (config.get("max_sequence_length") or 0) <= context * rope.factor:
        context = config["max_sequence_length"]  # the other is of the model that this one was made from
    return Shape(
        name=directory.resolve().name, vocab=config["vocab_size"], context=context,
        width=config["hidden_size"], layers=config["num_hidden_layers"], heads=heads,
        kv_heads=config.get("num_key_value_heads", 8 if mistral else heads) or heads,
        head_dim=config.get("head_dim") or config["hidden_size"] // heads,
        ffn=config["intermediate_size"], epsilon=config["rms_norm_eps"], rope=rope,
        window=(config.get("sliding_window", 4096) or 0) if mistral else 0,
    )


def stored_tensors(directory: Path) -> Iterator[tuple[str, torch.Tensor]]:
    """All tensors of model.safetensors, or of the shards its index names; one shard is open at a time."""
    index = directory / "model.safetensors.index.json"
    files = ["model.safetensors"]
    if index.exists():
        files = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    for file in files:
        with safe_open(directory / file, framework="pt") as shard:
            for name in sorted(shard.keys()):
                yield name, shard.get_tensor(name)


def canonical_tensors(directory: Path, shape: Shape, tied: bool) -> Iterator[tuple[str, torch.Tensor]]:
    """(GGUF name, tensor) pairs, Q and K rows in GGUF's order; a tied head is left out."""
    for name, tensor in stored_tensors(directory):
        if name.endswith("rotary_emb.inv_freq") or (tied and name == "lm_head.weight"):
            continue
        if name in OUTER_NAMES:
            yield OUTER_NAMES[name], tensor
            continue
        match = re.fullmatch(r"model\.layers\.(\d+)\.(.+)\.(weight|bias)", name)
        if match is None or match[2] not in BLOCK_NAMES:
            raise ValueError(f"{directory}: unexpected tensor {name}")
        if match[2] in ("self_attn.q_proj", "self_attn.k_proj"):
            tensor = interleave_rows(tensor, shape.heads if match[2] == "self_attn.q_proj" else shape.kv_heads)
        yield f"blk.{match[1]}.{BLOCK_NAMES[match[2]]}.{match[3]}", tensor


def convert_llama(directory: Path, out: Path, kind: str) -> list[str]:
    """Reads `directory`, writes `out`; returns notes about tensors that could not be written in `kind`."""
    config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    shape = read_shape(directory, config)
    tensors = canonical_tensors(directory, shape, config.get("tie_word_embeddings", False))
    return write_llama(out, shape, read_vocabulary(directory, config), tensors, kind)
