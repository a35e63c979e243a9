#!/usr/bin/env python3
"""Makes tests/fixtures from Hugging Face transformers and tokenizers (never from this project's own code).

    python3 tools/make_fixtures.py random     # random models with awkward sizes, their references, one GGUF
    python3 tools/make_fixtures.py llama      # the same for the Llama family, each as GGUF too
    python3 tools/make_fixtures.py trained    # reference and tokenizer cases of models/tiny-gpt2
    python3 tools/make_fixtures.py trained-llama --llama runs/tiny-llama2   # reference of models/tiny-llama2.gguf
    python3 tools/make_fixtures.py            # all but the last, unless --llama is given
"""

import argparse
import random
import shutil
from pathlib import Path

import torch
import transformers
from transformers import AutoTokenizer

from convert_to_gguf import convert
from fixtures.random_llamas import RANDOM_LLAMAS, write_random_llama
from fixtures.random_models import CONTEXT, RANDOM_MODELS, VOCABULARY, RandomModel, write_random_model
from fixtures.reference import MARGIN, Case, greedy, load, write_reference
from fixtures.tokenizer_cases import write_tokenizer_cases

ROOT = Path(__file__).resolve().parent.parent
SHORT_PROMPT = "Once upon a time, there was a little dog named Max."
LONG_PROMPT = (
    "One day, Tim and his mom went to the park. Tim saw a big tree and a small bird. The bird was sad because it could "
    "not find its friend.\nTim said, \"Do not be sad, little bird. I will help you.\" The bird was happy. They looked "
    "under the slide, behind the bench and"
)


def prompt_with_margin(model, length: int, new: int, seed: int) -> list[int]:
    """Random ids whose greedy continuation never has to choose between near-equal logits."""
    source = random.Random(seed)
    for _ in range(100):
        ids = [source.randrange(VOCABULARY) for _ in range(length)]
        if greedy(model, ids, new)[1] > 10 * MARGIN:
            return ids
    raise RuntimeError(f"no prompt of {length} ids with clear greedy choices in 100 tries")


def random_cases(model, spec: RandomModel) -> list[Case]:
    """One token, a few, and the whole context."""
    complete = spec.name == "gpt2_random"

    def keep_full(tap: str, layer: int) -> bool:
        if tap == "scores":
            return layer == 0
        return complete or layer == 2 or tap in ("embed", "final_norm", "block_out")

    return [
        Case(name, prompt_with_margin(model, length, CONTEXT - length, spec.seed + length), CONTEXT - length, keep=keep)
        for name, length, keep in (
            ("single", 1, lambda tap, layer: True),
            ("short", 7, lambda tap, layer: True),
            ("full", CONTEXT, keep_full),
        )
    ]


def make_random(fixtures: Path) -> None:
    """The random models, a reference beside each, and one of them as GGUF."""
    for spec in RANDOM_MODELS:
        out = fixtures / spec.name
        shutil.rmtree(out, ignore_errors=True)
        write_random_model(spec, out)
        model = load(out, torch.float64)
        manifest = write_reference(
            out / "reference", "..", "tools/make_fixtures.py random", random_cases(model, spec), model,
            load(out, torch.float32),
        )
        print(spec.name, [c["min_greedy_gap"] for c in manifest["cases"]], manifest["float32_max_difference"])
    convert(fixtures / "gpt2_random", fixtures / "gpt2_random.gguf", "f32")


def llama_cases(model, seed: int, complete: bool) -> list[Case]:
    """One token, a few, and the whole context; of a model that only varies another, less of the last."""
    last = model.config.num_hidden_layers - 1

    def keep_full(tap: str, layer: int) -> bool:
        if complete:
            return tap != "scores" or layer == 0
        return tap in ("final_norm", "q_rotated", "k_rotated", "scores") and layer in (-1, last)

    return [
        Case(name, prompt_with_margin(model, length, CONTEXT - length, seed + length), CONTEXT - length, keep=keep)
        for name, length, keep in (
            ("single", 1, lambda tap, layer: complete),
            ("short", 7, lambda tap, layer: complete or layer in (-1, 0) or tap in ("attn_norm", "ffn_norm", "block_out")),
            ("full", CONTEXT, keep_full),
        )
    ]


def make_llamas(fixtures: Path) -> None:
    """The random models of the Llama family, a reference in each, and each as GGUF beside it."""
    for number, spec in enumerate(RANDOM_LLAMAS):
        out = fixtures / spec.name
        shutil.rmtree(out, ignore_errors=True)
        write_random_llama(spec, out)
        model = load(out, torch.float64)
        manifest = write_reference(
            out / "reference", "..", "tools/make_fixtures.py llama", llama_cases(model, spec.seed, complete=number == 0),
            model, load(out, torch.float32),
        )
        print(spec.name, [c["min_greedy_gap"] for c in manifest["cases"]], manifest["float32_max_difference"])
        kind = {torch.float32: "f32", torch.float16: "f16", torch.bfloat16: "bf16"}[spec.dtype]
        convert(out, fixtures / f"{spec.name}.gguf", kind)


def trained_cases(tokenizer, layers: int) -> list[Case]:
    """A prompt of one line with every tensor of the first and last block, and a longer one with a few."""
    short, long = (tokenizer(text)["input_ids"] for text in (SHORT_PROMPT, LONG_PROMPT))

    def keep_long(tap: str, layer: int) -> bool:
        return tap == "final_norm" or (layer == layers - 1 and tap in ("scores", "attn_out", "block_out"))

    return [
        Case("short", short, 96, keep=lambda tap, layer: layer in (-1, 0, layers - 1)),
        Case("long", long, 96, keep=keep_long, logits_rows=list(range(len(long) - 8, len(long)))),
    ]


def make_trained(fixtures: Path, directory: Path) -> None:
    """Reference and tokenizer cases of the trained model."""
    tokenizer = AutoTokenizer.from_pretrained(directory)
    model = load(directory, torch.float64)
    cases = trained_cases(tokenizer, model.config.n_layer)
    for case, text in zip(cases, (SHORT_PROMPT, LONG_PROMPT)):
        case.extra["prompt"] = text
        ids, gap = greedy(model, case.prompt_ids, case.greedy_count)
        case.extra["greedy_text"] = tokenizer.decode(ids)
        print(f"{case.name}: {len(case.prompt_ids)} ids, gap {gap:.4f}:{case.extra['greedy_text']}")
    write_reference(
        fixtures / "tiny_gpt2_reference", "../../../models/tiny-gpt2", "tools/make_fixtures.py trained", cases, model,
        load(directory, torch.float32),
    )
    write_tokenizer_cases(directory / "tokenizer.json", fixtures / "tokenizer_tiny.cases.json")


def as_stored(model, kind: torch.dtype):
    """The model with its matrices rounded as the GGUF file of it holds them; vectors stay as they are."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 2:
                parameter.copy_(parameter.to(kind).to(parameter.dtype))
    return model


def make_trained_llama(fixtures: Path, directory: Path) -> None:
    """Reference of models/tiny-llama2.gguf from the directory that it was converted from."""
    tokenizer = AutoTokenizer.from_pretrained(directory)
    model = as_stored(load(directory, torch.float64), torch.float16)
    cases = trained_cases(tokenizer, model.config.num_hidden_layers)
    for case, text in zip(cases, (SHORT_PROMPT, LONG_PROMPT)):
        case.extra["prompt"] = text
        ids, gap = greedy(model, case.prompt_ids, case.greedy_count)
        case.extra["greedy_text"] = tokenizer.decode(ids)
        print(f"{case.name}: {len(case.prompt_ids)} ids, gap {gap:.4f}:{case.extra['greedy_text']}")
    write_reference(
        fixtures / "tiny_llama2_reference", "../../../models/tiny-llama2.gguf", "tools/make_fixtures.py trained-llama", cases,
        model, as_stored(load(directory, torch.float32), torch.float16),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=["random", "llama", "trained", "trained-llama", "all"], default="all")
    parser.add_argument("--model", type=Path, default=ROOT / "models" / "tiny-gpt2", help="the trained GPT-2")
    parser.add_argument("--llama", type=Path, help="what tools/train_llama2.py wrote, for trained-llama")
    parser.add_argument("--out", type=Path, default=ROOT / "tests" / "fixtures")
    args = parser.parse_args()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(1)
    if args.what in ("random", "all"):
        make_random(args.out)
    if args.what in ("llama", "all"):
        make_llamas(args.out)
    if args.what in ("trained", "all"):
        make_trained(args.out, args.model)
    if args.what == "trained-llama" or (args.what == "all" and args.llama is not None):
        if args.llama is None:
            parser.error("trained-llama needs --llama DIRECTORY")
        make_trained_llama(args.out, args.llama)


if __name__ == "__main__":
    main()
