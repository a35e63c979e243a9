#!/usr/bin/env python3
"""Makes tests/fixtures/quantized: a small trained Llama in every quantized type, what transformers computes from its
dequantized weights, and how far llama.cpp's own logits for the same file lie from that.

    python3 tools/make_quantized_fixtures.py --llama-cpp LLAMA_CPP --work runs/quantized
    python3 tools/make_quantized_fixtures.py --llama-cpp LLAMA_CPP --work runs/quantized --only q4_k

LLAMA_CPP is a source tree of llama.cpp with static libraries and llama-quantize in its `build`. The first run trains the model
(three minutes on one core) into the work directory on text that this tool makes up, from seeds; what is there is used again. Files
are quantized by llama-quantize, dequantized by the `gguf` package; nothing here is this project's own code.
"""

import argparse
import json
import random
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy
import torch
import transformers
from gguf import GGMLQuantizationType as Type
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from convert_to_gguf import convert
from fixtures.made_up_stories import stories
from fixtures.reference import Case, forward, write_reference
from hf_llama import BLOCK_NAMES, OUTER_NAMES

ROOT = Path(__file__).resolve().parent.parent
PURE = ["Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS"]
MIXED = ["Q4_K_M"]
QUANTIZE_AS = {"Q3_K": "Q3_K_M", "Q4_K": "Q4_K_M", "Q5_K": "Q5_K_M"}  # names that llama-quantize has for what --pure makes one type
TRAINING = (
    "--seed 1 --context 128 --aligned-width 128 --batch 8 --epochs 2 --lr 1.5e-3 --dropout 0.05 --weight-decay 0.1 "
    "--held-out 0.02 --vocab 320 --layers 2 --width 256 --ffn 256 --heads 8 --kv-heads 2 --threads 1 --no-bf16 --evaluate-every 200"
).split()
TEXT_IDS, NEW_IDS = 96, 64
LIBRARIES = ["src/libllama.a", "ggml/src/libggml.a", "ggml/src/libggml-cpu.a", "ggml/src/libggml-base.a"]


@dataclass
class LlamaCpp:
    """A build of llama.cpp and the helper that asks it for logits."""

    tree: Path
    helper: Path
    origin: str

    def quantize(self, source: Path, out: Path, kind: str) -> None:
        pure = ["--pure"] if kind in PURE else []
        run([self.tree / "build/bin/llama-quantize", *pure, source, out, QUANTIZE_AS.get(kind, kind)])

    def logits(self, model: Path, ids: list[int], cache: str) -> numpy.ndarray:
        """(len(ids), vocabulary), one batch."""
        with tempfile.NamedTemporaryFile() as out:
            run([self.helper, model, out.name, cache, *map(str, ids)])
            return numpy.fromfile(out.name, "<f4").reshape(len(ids), -1).astype(numpy.float64)

    def describe(self) -> dict:
        lines = run([self.helper]).strip().splitlines()
        return {"version": lines[0], "from": self.origin, "system": lines[1]}


def run(command: list) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, errors="replace", check=False)
    if done.returncode != 0:
        sys.exit(f"{command[0]} failed ({done.returncode}):\n{(done.stdout + done.stderr)[-2000:]}")
    return done.stdout


def build_helper(tree: Path, work: Path, origin: str) -> LlamaCpp:
    helper = work / "llama_cpp_logits"
    run(["c++", "-std=c++17", "-O1", f"-I{tree / 'include'}", f"-I{tree / 'ggml/include'}", ROOT / "tools/llama_cpp_logits.cpp",
         "-o", helper, *(tree / "build" / library for library in LIBRARIES), "-fopenmp", "-lpthread", "-ldl"])
    return LlamaCpp(tree, helper, origin)


def train(work: Path) -> Path:
    """The Hugging Face directory of the trained model."""
    out = work / "model"
    if not (out / "training.json").exists():
        text = work / "stories.txt"
        text.write_text("".join(f"{story}\n<|endoftext|>\n" for story in stories(1, 3000)), encoding="utf-8")
        subprocess.run([sys.executable, ROOT / "tools/train_llama2.py", "--text", text, "--out", out, *TRAINING], check=True)
    return out


def transformers_name(name: str) -> str:
    """The name that transformers has for a tensor of the GGUF file."""
    for theirs, ours in OUTER_NAMES.items():
        if ours == name:
            return theirs
    block, part = re.fullmatch(r"blk\.(\d+)\.(.+)\.weight", name).groups()
    (theirs,) = (theirs for theirs, ours in BLOCK_NAMES.items() if ours == part)
    return f"model.layers.{block}.{theirs}.weight"


def separate_rows(tensor: torch.Tensor, heads: int) -> torch.Tensor:
    """Rows of Q or K from GGUF's order, pair beside pair, to that of transformers, half after half."""
    half = tensor.shape[0] // heads // 2
    return tensor.reshape(heads, half, 2, *tensor.shape[1:]).transpose(1, 2).reshape(tensor.shape)


def dequantized(path: Path, config: LlamaConfig, dtype: torch.dtype) -> tuple[LlamaForCausalLM, dict[str, int]]:
    """The model with the weights that the file's blocks stand for, and how many matrices there are of each type."""
    state, kinds = {}, {}
    for tensor in gguf.GGUFReader(path).tensors:
        values = torch.from_numpy(numpy.array(gguf.dequantize(tensor.data, tensor.tensor_type))).to(dtype)
        values = values.reshape([int(n) for n in reversed(tensor.shape)])
        if values.dim() == 2:
            kinds[tensor.tensor_type.name] = kinds.get(tensor.tensor_type.name, 0) + 1
        if ".attn_q." in tensor.name:
            values = separate_rows(values, config.num_attention_heads)
        if ".attn_k." in tensor.name:
            values = separate_rows(values, config.num_key_value_heads)
        state[transformers_name(tensor.name)] = values
    state["lm_head.weight"] = state["model.embed_tokens.weight"]
    with torch.device("meta"):
        model = LlamaForCausalLM(config)
    model = model.to_empty(device="cpu").to(dtype)
    model.model.rotary_emb = type(model.model.rotary_emb)(config)  # not among the weights
    missing = model.load_state_dict(state, strict=True)
    assert not missing.missing_keys and not missing.unexpected_keys
    return model.eval(), kinds


def errors(logits: numpy.ndarray, truth: numpy.ndarray) -> dict:
    """How far one program's logits lie from the reference: what `llorch-host check` computes for llorch's."""
    log_p, log_q = (torch.log_softmax(torch.from_numpy(rows), -1).numpy() for rows in (truth, logits))
    difference = numpy.abs(logits - truth)
    return {
        "max_error": float(difference.max()), "mean_error": float(difference.mean()),
        "kl": float((numpy.exp(log_p) * (log_p - log_q)).sum(1).mean()),
        "same_best": float((truth.argmax(1) == logits.argmax(1)).mean()),
    }  # fmt: skip


def shuffled(texts: list[str]) -> str:
    """Words in an order that the model cannot know: a peaked distribution would hide what roundings do to it."""
    words = " ".join(texts).split()
    random.Random(3).shuffle(words)
    return " ".join(words)


def greedy_gap(model: LlamaForCausalLM, ids: list[int]) -> float:
    """The smallest gap between the two best logits over NEW_IDS greedy steps."""
    with torch.no_grad():
        out = model(torch.tensor([ids]), use_cache=True)
        gap = numpy.inf
        for _ in range(NEW_IDS):
            best = out.logits[0, -1].topk(2)
            gap = min(gap, float(best.values[0] - best.values[1]))
            out = model(best.indices[:1][None], past_key_values=out.past_key_values, use_cache=True)
    return gap


def clear_prompt(model: LlamaForCausalLM, tokenizer, texts: list[str]) -> tuple[str, float]:
    """The beginning of a sentence whose greedy continuation has the clearest choices, and its smallest gap."""
    sentences = {sentence for text in texts for sentence in re.split(r"(?<=[.?!]) ", text)}
    beginnings = {" ".join(sentence.split()[:words]) for sentence in sentences for words in (2, 4, 6)}
    short = [text for text in sorted(beginnings) if 5 <= len(tokenizer(text)["input_ids"]) <= 12]
    return max(((text, greedy_gap(model, tokenizer(text)["input_ids"])) for text in short), key=lambda pair: pair[1])


def make(kind: str, base: Path, directory: Path, out: Path, llama_cpp: LlamaCpp) -> None:
    """One file, its reference, and what llama.cpp shows."""
    name = kind.lower()
    path = out / f"{name}.gguf"
    llama_cpp.quantize(base, path, kind)
    config = LlamaConfig.from_pretrained(directory, attn_implementation="eager")
    model, kinds = dequantized(path, config, torch.float64)
    narrow, _ = dequantized(path, config, torch.float32)
    expected = {kind} if kind in PURE else None
    if expected is not None and set(kinds) != expected:
        sys.exit(f"{path}: expected matrices of {kind} alone, found {kinds}")
    tokenizer = AutoTokenizer.from_pretrained(directory)
    unseen = stories(2, 12)
    text = tokenizer(shuffled(unseen))["input_ids"][:TEXT_IDS]
    truth = forward(model, text).double().numpy()
    theirs = {cache: errors(llama_cpp.logits(path, text, cache), truth) for cache in ("f32", "f16")}
    prompt, gap = clear_prompt(narrow, tokenizer, unseen)
    print(f"{name}: {path.stat().st_size} bytes, {kinds}, {prompt!r} gap {gap:.3f}")
    for cache, found in theirs.items():
        print(f"  llama.cpp, cache {cache}: " + ", ".join(f"{key} {value:.4g}" for key, value in found.items()))
    print(f"  logits: rms {numpy.sqrt((truth**2).mean()):.3f}, entropy {-(numpy.exp(t := torch.log_softmax(torch.from_numpy(truth), -1).numpy()) * t).sum(1).mean():.3f}")

    def keep(tap: str, layer: int) -> bool:
        return layer == 0 or (layer == 1 and tap in ("attn_norm", "q_rotated", "scores", "block_out")) or tap in ("embed", "final_norm")

    cases = [
        Case("text", text, 0, keep=lambda tap, layer: False, extra={"baseline": {"program": "llama.cpp", **theirs["f16"]}}),
        Case("short", tokenizer(prompt)["input_ids"], NEW_IDS, keep=keep, extra={"prompt": prompt}),
    ]
    manifest = write_reference(
        out / name, f"../{name}.gguf", "tools/make_quantized_fixtures.py", cases, model, narrow,
        extra={"weights": kinds, "llama.cpp": llama_cpp.describe() | {"with_f32_cache": theirs["f32"]}},
    )
    print(f"  transformers in float32: {manifest['float32_max_difference']['logits']}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llama-cpp", type=Path, required=True, help="source tree with a build in it")
    parser.add_argument("--origin", default="", help="where that tree comes from, for the record")
    parser.add_argument("--work", type=Path, required=True, help="directory for the trained model; made if missing")
    parser.add_argument("--only", help="this type alone")
    parser.add_argument("--out", type=Path, default=ROOT / "tests/fixtures/quantized")
    args = parser.parse_args()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(1)
    args.work.mkdir(parents=True, exist_ok=True)
    directory = train(args.work)
    base = args.work / "base-f32.gguf"
    convert(directory, base, "f32")
    llama_cpp = build_helper(args.llama_cpp, args.work, args.origin)
    if args.only is None:
        shutil.rmtree(args.out, ignore_errors=True)
    args.out.mkdir(parents=True, exist_ok=True)
    for kind in [args.only.upper()] if args.only else PURE + MIXED:
        make(kind, base, directory, args.out, llama_cpp)


if __name__ == "__main__":
    main()
