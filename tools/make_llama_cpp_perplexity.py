#!/usr/bin/env python3
"""Makes tests/fixtures/perplexity/llama_cpp.json and made_up.txt: what llama.cpp's llama-perplexity says about every file of
tests/fixtures/quantized on a text, for the tests of `llorch-host perplexity`.

    python3 tools/make_llama_cpp_perplexity.py --llama LLAMA_CPP/build/bin --origin "what it was built from"

The text is made up, from a seed that no training used: half of it stories, half of it their words in an order that the model
cannot know (a model that is always sure would hide what roundings do). Perplexity is llama.cpp's own, and so are the KL
divergence and the share of positions with the same most likely token; these two are from its run of q8_0.gguf, the nearest to the
weights before they were quantized. One thread, its defaults otherwise. `exact` is the perplexity that
transformers computes in float64 on the same tokens from the weights that the `gguf` package reads from the file: what both programs
would give if they rounded nothing. Nothing here is computed by this project.
"""

import argparse
import json
import math
import random
import re
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import gguf
import numpy
import torch
import transformers
from transformers import LlamaConfig

from fixtures.made_up_stories import stories
from make_quantized_fixtures import dequantized

ROOT = Path(__file__).resolve().parent.parent
FIXTURES = ROOT / "tests/fixtures"
OUT = FIXTURES / "perplexity"
BASE = "q8_0"
WINDOW = 128  # the model's context
FIGURES = {
    "perplexity": r"Mean PPL\(Q\)\s*:\s*([0-9.]+)", "kl": r"Mean\s+KLD:\s*(-?[0-9.]+)", "kl_error": r"Mean\s+KLD:\s*-?[0-9.]+ ± +([0-9.]+)",
    "same_top": r"Same top p:\s*([0-9.]+)",
}  # fmt: skip


def make_text(seed: int, count: int) -> str:
    """`count` stories a line each, and as many lines of the words of other ones, shuffled."""
    words = " ".join(stories(seed + 1, count)).split()
    random.Random(seed).shuffle(words)
    each = len(words) // count
    lines = [" ".join(words[i * each : (i + 1) * each]) for i in range(count)]
    return "\n".join([*stories(seed, count), *lines]) + "\n"


def run(command: list, *patterns: str) -> str:
    """What the program printed. Its log is written by another thread and cut off now and then when it ends: it is run again."""
    for _ in range(8):
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, errors="replace", check=False)
        printed = done.stdout + done.stderr
        if done.returncode != 0:
            sys.exit(f"{command[0]} failed ({done.returncode}):\n{printed[-2000:]}")
        if all(re.search(pattern, printed) for pattern in patterns):
            return printed
    sys.exit(f"{command[0]}: expected {patterns} in what it prints:\n{printed[-2000:]}")


def read_ids(path: Path) -> numpy.ndarray:
    """(windows, tokens): the tokens in the file that --kl-divergence-base makes."""
    data = path.read_bytes()
    magic, length, _, count = struct.unpack("<8s3i", data[:20])
    assert magic == b"_logits_"
    return numpy.frombuffer(data, "<i4", count * length, 20).reshape(count, length)


def config_of(path: Path) -> LlamaConfig:
    reader = gguf.GGUFReader(path)
    value = {key.split(".", 1)[1]: field.contents() for key, field in reader.fields.items() if key.startswith("llama.")}
    return LlamaConfig(
        vocab_size=len(reader.fields["tokenizer.ggml.tokens"].contents()), hidden_size=value["embedding_length"],
        intermediate_size=value["feed_forward_length"], num_hidden_layers=value["block_count"],
        num_attention_heads=value["attention.head_count"], num_key_value_heads=value["attention.head_count_kv"],
        max_position_embeddings=value["context_length"], rms_norm_eps=value["attention.layer_norm_rms_epsilon"],
        rope_theta=value.get("rope.freq_base", 10000.0), tie_word_embeddings=True, attn_implementation="eager",
    )  # fmt: skip


def exact(path: Path, ids: numpy.ndarray) -> float:
    """Perplexity over the second halves of the windows, each of which begins with BOS."""
    model, _ = dequantized(path, config_of(path), torch.float64)
    windows = torch.tensor(ids.astype(int))
    windows[:, 0] = 1
    half = windows.shape[1] // 2
    with torch.no_grad():
        log_probs = torch.log_softmax(model(windows).logits, -1)[:, half:-1]
    return math.exp(-log_probs.gather(2, windows[:, half + 1 :, None]).mean().item())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llama", type=Path, required=True, help="directory of llama-perplexity")
    parser.add_argument("--origin", required=True, help="which llama.cpp that is, for the record")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--stories", type=int, default=8, help="of each half")
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    transformers.utils.logging.set_verbosity_error()
    torch.set_num_threads(1)
    text = args.out / "made_up.txt"
    text.write_text(make_text(args.seed, args.stories), encoding="utf-8")
    version = re.search(r"version: (.*)", run([args.llama / "llama-perplexity", "--version"], "version: "))[1]
    common = [args.llama / "llama-perplexity", "-c", WINDOW, "-t", 1]
    with tempfile.TemporaryDirectory() as work:
        base = Path(work) / "base"
        model = FIXTURES / f"quantized/{BASE}.gguf"
        printed = run([*common, "-m", model, "-f", text, "--kl-divergence-base", base], r"Final estimate: PPL = [0-9.]+", r"system_info: ")
        ids = read_ids(base)
        system = re.search(r"system_info: .*?\| (CPU : .*)", printed)
        files = {}
        for path in sorted((FIXTURES / "quantized").glob("*.gguf")):
            printed = run([*common, "-m", path, "--kl-divergence", "--kl-divergence-base", base], *FIGURES.values())
            found = {name: float(re.search(pattern, printed)[1]) for name, pattern in FIGURES.items()}
            files[path.stem] = found | {"same_top": round(found["same_top"] / 100, 7), "exact": exact(path, ids)}
            print(path.stem, files[path.stem], flush=True)
    result = {
        "made_by": "tools/make_llama_cpp_perplexity.py",
        "versions": {m.__name__: m.__version__ for m in (torch, transformers, numpy)},
        "llama.cpp": {"version": version, "from": args.origin, "system": system[1].strip() if system else "", "threads": 1},
        "text": text.name, "window": WINDOW, "windows": len(ids), "base": BASE, "files": files, "ids": ids.tolist(),
    }  # fmt: skip
    dumped = json.dumps(result, indent=1)
    # The ids of a window in one line.
    dumped = re.sub(r"\[\s+(-?\d[^\[\]]*?)\s+\]", lambda m: "[" + re.sub(r"\s+", " ", m[1]) + "]", dumped)
    (args.out / "llama_cpp.json").write_text(dumped + "\n")


if __name__ == "__main__":
    main()
