#!/usr/bin/env python3
"""Makes tests/fixtures/perplexity/: what transformers says about the text there, for the tests of `llorch-host perplexity`.

    tools/make_perplexity_fixtures.py --gpt2 models/tiny-gpt2 --llama RUN_DIRECTORY

RUN_DIRECTORY is the Hugging Face form of models/tiny-llama2.gguf (its weights are f16, as in the GGUF file). Everything is
computed in float64. `noisy.lp` is a file of log-probabilities (docs/perplexity.md) of the Llama, disturbed by random noise:
what a comparison of two runs must find is computed here with numpy.
"""

import argparse
import json
import struct
from pathlib import Path

import numpy
import tokenizers
import torch
import transformers

FIXTURES = Path(__file__).resolve().parent.parent / "tests/fixtures/perplexity"


def windows_of(ids: list[int], length: int, bos: int | None) -> numpy.ndarray:
    """(windows, length); the first of each replaced by `bos`."""
    count = len(ids) // length
    windows = numpy.array(ids[: count * length], dtype="<i4").reshape(count, length)
    if bos is not None:
        windows[:, 0] = bos
    return windows


def log_probs(model, windows: numpy.ndarray) -> numpy.ndarray:
    """(windows, scored, vocabulary), float64: the positions from the middle to the last but one."""
    length = windows.shape[1]
    with torch.no_grad():
        logits = model(torch.tensor(windows, dtype=torch.long)).logits
    return torch.log_softmax(logits.double(), dim=-1).numpy()[:, length // 2 : length - 1]


def nll_of(rows: numpy.ndarray, windows: numpy.ndarray) -> numpy.ndarray:
    """(windows * scored): negative log-likelihood of the token after each position."""
    after = windows[:, windows.shape[1] // 2 + 1 :]
    return -numpy.take_along_axis(rows, after[..., None].astype(int), axis=2).ravel()


def error_of(values: numpy.ndarray) -> float:
    return float(values.std(ddof=1) / numpy.sqrt(values.size))


def perplexity_of(nll: numpy.ndarray) -> dict:
    value = float(numpy.exp(nll.mean()))
    return {
        "scored": nll.size, "nll": float(nll.mean()), "nll_error": error_of(nll),
        "perplexity": value, "perplexity_error": value * error_of(nll),
    }  # fmt: skip


def compare(rows: numpy.ndarray, base: numpy.ndarray, windows: numpy.ndarray) -> dict:
    """What `--against` prints: KL(base || rows) and the rest."""
    kl = (numpy.exp(base) * (base - rows)).sum(axis=2).ravel()
    same = (rows.argmax(axis=2) == base.argmax(axis=2)).ravel().astype(float)
    nll = numpy.stack([nll_of(rows, windows), nll_of(base, windows)])
    here, there = numpy.exp(nll.mean(axis=1))
    gradient = numpy.array([here, -there])
    covariance = numpy.cov(nll) / nll.shape[1]
    return {
        "perplexity": float(there), "perplexity_difference": float(here - there),
        "perplexity_difference_error": float(numpy.sqrt(gradient @ covariance @ gradient)),
        "kl": float(kl.mean()), "kl_error": error_of(kl), "kl_max": float(kl.max()),
        "same_top": float(same.mean()), "same_top_error": error_of(same),
    }  # fmt: skip


def write_log_probs(path: Path, windows: numpy.ndarray, rows: numpy.ndarray, bos: bool) -> None:
    length = windows.shape[1]
    with path.open("wb") as out:
        out.write(b"llorchlp" + struct.pack("<6I", 1, rows.shape[2], length, len(windows), length // 2, int(bos)))
        out.write(windows.astype("<i4").tobytes())
        out.write(rows.astype("<f4").tobytes())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gpt2", type=Path, required=True)
    parser.add_argument("--llama", type=Path, required=True)
    args = parser.parse_args()
    # The file's last newline is none of the text.
    text = (FIXTURES / "text.txt").read_text(encoding="utf-8").removesuffix("\n")
    expected: dict = {
        "made_by": "tools/make_perplexity_fixtures.py",
        "versions": {m.__name__: m.__version__ for m in (transformers, tokenizers, torch, numpy)},
        "cases": [],
    }
    for model_path, directory in (("models/tiny-gpt2", args.gpt2), ("models/tiny-llama2.gguf", args.llama)):
        tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
        model = transformers.AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float64).eval()
        is_llama = directory == args.llama
        bos = tokenizer.bos_token_id if is_llama else None
        ids = ([bos] if is_llama else []) + tokenizer(text, add_special_tokens=False).input_ids
        for length in (16, 64, 128):
            windows = windows_of(ids, length, bos)
            case = {"model": model_path, "window": length, "windows": len(windows), "bos": is_llama, "text_tokens": len(ids)}
            rows = log_probs(model, windows)
            expected["cases"].append(case | perplexity_of(nll_of(rows, windows)))
            if is_llama and length == 16:
                # Noise strong enough that the most likely token changes here and there.
                few = windows[:3]
                noise = numpy.random.default_rng(1).normal(0, 0.4, rows[:3].shape)
                base = torch.log_softmax(torch.tensor(rows[:3] + noise), dim=-1).numpy().astype("<f4")
                write_log_probs(FIXTURES / "noisy.lp", few, base, True)
                compared = compare(rows[:3], base.astype(float), few)
                expected["against"] = {"file": "noisy.lp", "model": model_path, "window": length, "windows": 3} | compared
    (FIXTURES / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main()
