#!/usr/bin/env python3
"""Perplexity of the same files in llorch and in llama.cpp, and how far their predictions lie apart.

    tools/compare_perplexity.py --llorch build/release/bin/llorch-host --llama LLAMA_CPP/build/bin --text held_out.txt \\
        --truth model-f32.gguf [--quantize model-f16.gguf] [--types Q8_0,Q4_K_M] [MODEL.gguf ...]

Scores every MODEL and, with --quantize, every type that llama-quantize makes of that file. Prints a table in Markdown and, with
--json, writes all figures. KL divergences are in nats: llama.cpp from llorch, and each of the two from llorch's run of
the --truth file (weights that were not quantized). The text must hold no back-slashes. Needs numpy; works in a directory
of its own that it removes.
"""

import argparse
import json
import re
import struct
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Iterator, NamedTuple

import numpy

TYPES = "Q8_0,Q6_K,Q5_1,Q5_0,Q5_K_M,Q4_1,Q4_0,Q4_K_M,IQ4_NL,IQ4_XS,Q3_K_M,Q2_K"


class LogProbs(NamedTuple):
    """What a program wrote about every scored position."""

    ids: numpy.ndarray  # (windows, c)
    rows: numpy.ndarray  # (windows * scored, ...), as stored
    packed: bool  # llama.cpp's 16-bit form

    def __iter__(self) -> Iterator[numpy.ndarray]:  # type: ignore[override]
        """ln p as (scored, vocabulary) in float64, window after window; NaN where the file does not say."""
        scored = len(self.rows) // len(self.ids)
        for begin in range(0, len(self.rows), scored):
            yield self.decode(self.rows[begin : begin + scored])

    def decode(self, rows: numpy.ndarray) -> numpy.ndarray:
        if not self.packed:
            return rows.astype(numpy.float64)
        # Two floats, scale and smallest ln p, then a 16-bit step for each id; step 0 is what lies 16 or more below the largest.
        head = rows[:, :4].copy().view("<f4").astype(numpy.float64)
        return numpy.where(rows[:, 4:] > 0, head[:, :1] * rows[:, 4:] + head[:, 1:2], numpy.nan)


def read_llorch(path: Path) -> LogProbs:
    head = numpy.memmap(path, "u1", "r", shape=32).tobytes()
    magic, version, vocabulary, length, count, first, _ = struct.unpack("<8s6I", head)
    if magic != b"llorchlp" or version != 1:
        sys.exit(f"{path}: not a file of log-probabilities of version 1")
    ids = numpy.memmap(path, "<i4", "r", 32, (count, length))
    rows = numpy.memmap(path, "<f4", "r", 32 + ids.nbytes, (count * (length - 1 - first), vocabulary))
    return LogProbs(ids, rows, packed=False)


def read_llama(path: Path) -> LogProbs:
    """The file of llama-perplexity --kl-divergence-base: magic, c, vocabulary, windows, ids, packed rows."""
    head = numpy.memmap(path, "u1", "r", shape=20).tobytes()
    magic, length, vocabulary, count = struct.unpack("<8s3i", head)
    if magic != b"_logits_":
        sys.exit(f"{path}: not a file of llama-perplexity")
    ids = numpy.memmap(path, "<i4", "r", 20, (count, length))
    width = 2 * ((vocabulary + 1) // 2) + 4
    rows = numpy.memmap(path, "<u2", "r", 20 + ids.nbytes, (count * (length - 1 - length // 2), width))
    return LogProbs(ids, rows[:, : 4 + vocabulary], packed=True)


def compare(base: LogProbs, other: LogProbs) -> dict:
    """KL(base || other) and the share of positions whose most likely token is the same.

    What llama.cpp's file does not say is left out, as llama.cpp leaves it out: probabilities below e^-16 of the largest.
    """
    # Where a window begins with BOS llorch notes what it computed, llama.cpp the token that BOS replaced.
    if not numpy.array_equal(base.ids[:, 1:], other.ids[:, 1:]):
        sys.exit("the two programs made different tokens of the text")
    kl, same = [], []
    for p, q in zip(base, other):
        kl.append(numpy.nansum(numpy.exp(p) * (p - q), axis=1))
        same.append(numpy.nanargmax(p, axis=1) == numpy.nanargmax(q, axis=1))
    kls, sames = numpy.concatenate(kl), numpy.concatenate(same)
    return {
        "kl": float(kls.mean()), "kl_error": float(kls.std(ddof=1) / numpy.sqrt(kls.size)), "kl_max": float(kls.max()),
        "same_top": float(sames.mean()),
    }  # fmt: skip


def run(command: list[str | Path]) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, errors="replace", check=False)
    if done.returncode != 0:
        sys.exit(f"{command[0]} failed ({done.returncode}):\n{(done.stdout + done.stderr)[-2000:]}")
    return done.stdout + done.stderr


def score_with_llorch(args: argparse.Namespace, model: Path, out: Path) -> tuple[float, LogProbs]:
    answer = run([args.llorch, "perplexity", "--model", model, "--text", args.text, "-c", str(args.context),
                  "-t", str(args.threads), "--json", "--save-logits", out])  # fmt: skip
    return json.loads(answer)["perplexity"], read_llorch(out)


def score_with_llama(args: argparse.Namespace, model: Path, out: Path) -> tuple[float, LogProbs]:
    for _ in range(8):
        answer = run([args.llama / "llama-perplexity", "-m", model, "-f", args.text, "-c", str(args.context),
                      "-t", str(args.threads), "--kl-divergence-base", out])  # fmt: skip
        if found := re.search(r"Final estimate: PPL = ([0-9.]+)", answer):
            return float(found[1]), read_llama(out)
        # Its log is written by another thread and is cut off now and then when it ends; it computes the same again.
    sys.exit(f"llama-perplexity printed no estimate:\n{answer[-2000:]}")


def models(args: argparse.Namespace, work: Path) -> Iterator[tuple[str, Path, bool]]:
    """Name, file, and whether the file is to be removed afterwards."""
    for model in args.models:
        yield model.stem, model, False
    for kind in args.types.split(",") if args.quantize else []:
        target = work / f"{kind}.gguf"
        run([args.llama / "llama-quantize", args.quantize, target, kind])
        yield kind, target, True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", type=Path, help="GGUF files")
    parser.add_argument("--llorch", type=Path, required=True, help="llorch-host")
    parser.add_argument("--llama", type=Path, required=True, help="directory of llama-perplexity and llama-quantize")
    parser.add_argument("--text", type=Path, required=True)
    parser.add_argument("--truth", type=Path, required=True, help="the model before it was quantized, f32 or f16")
    parser.add_argument("--quantize", type=Path, help="file to make all --types of")
    parser.add_argument("--types", default=TYPES)
    parser.add_argument("-c", "--context", type=int, default=512)
    parser.add_argument("-t", "--threads", type=int, default=1)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    if b"\\" in args.text.read_bytes():
        sys.exit(f"{args.text}: back-slashes, which llama-perplexity would take for escapes")

    results: dict = {}
    with tempfile.TemporaryDirectory(prefix="llorch-perplexity-") as directory:
        work = Path(directory)
        _, truth = score_with_llorch(args, args.truth, work / "truth.lp")
        print("| weights | llorch | llama.cpp | difference | KL between them | same top token | KL from f32: llorch | llama.cpp |")
        print("|---|---|---|---|---|---|---|---|")
        for name, model, ours in ((args.truth.stem, args.truth, False), *models(args, work)):
            here, log_probs = score_with_llorch(args, model, work / "llorch.lp")
            there, other = score_with_llama(args, model, work / "llama.lp")
            between = compare(log_probs, other)
            far, other_far = compare(truth, log_probs), compare(truth, other)
            results[name] = {
                "perplexity": here, "llama_perplexity": there, "between": between, "from_truth": far,
                "llama_from_truth": other_far,
            }  # fmt: skip
            print(
                f"| {name} | {here:.4f} | {there:.4f} | {100 * (here / there - 1):+.3f} % | {between['kl']:.1e} | "
                f"{100 * between['same_top']:.2f} % | {far['kl']:.3e} | {other_far['kl']:.3e} |", flush=True
            )  # fmt: skip
            if ours:
                model.unlink()
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
