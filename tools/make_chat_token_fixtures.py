#!/usr/bin/env python3
"""Makes tests/fixtures/chat_templates/tokens.json: the ids that transformers' apply_chat_template(tokenize=True) gives
for conversations, with the templates beside that file and the vocabularies of tests/fixtures/tokenizers.

    python3 tools/make_chat_token_fixtures.py
"""

import json
from pathlib import Path

import jinja2
import tokenizers
import transformers
from transformers import PreTrainedTokenizerFast

FIXTURES = Path(__file__).resolve().parent.parent / "tests/fixtures"
OUT = FIXTURES / "chat_templates/tokens.json"
SPM = {"bos_token": "<s>", "eos_token": "</s>"}
LLAMA3 = {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"}
# vocabulary, its tokens, templates; zephyr writes no BOS
CASES = [
    *((name, SPM, ("llama2", "mistral_v1", "vicuna", "zephyr")) for name in ("spm_prepend", "spm_first", "spm_split")),
    ("llama3", LLAMA3, ("llama3",)),
]
CONVERSATIONS = {
    "question": [{"role": "user", "content": "Where is the little dog?"}],
    "turns": [
        {"role": "user", "content": "  Two   spaces, na\u00efve caf\u00e9\n\nand a line "},
        {"role": "assistant", "content": "\u4f60\u597d \u4e16\u754c! 123 don't"},
        {"role": "user", "content": "x = y + 1;\t\U0001f999"},
    ],
    "system": [
        {"role": "system", "content": "Be happy."},
        {"role": "user", "content": "I'm red"},
        {"role": "assistant", "content": " you're blue "},
        {"role": "user", "content": "[INST] \u041f\u0440\u0438\u0432\u0435\u0442 [/INST]"},
    ],
}


def conversation_cases(vocabulary: str, names: dict[str, str], template: str) -> list[dict]:
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(FIXTURES / "tokenizers" / vocabulary / "tokenizer.json"), **names)
    tokenizer.chat_template = (FIXTURES / f"chat_templates/{template}.jinja").read_text(encoding="utf-8")
    out = []
    for conversation, messages in CONVERSATIONS.items():
        for add in (True, False):
            try:
                text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=add)
            except jinja2.exceptions.TemplateError:  # not every template takes every order of roles
                continue
            ids = tokenizer.apply_chat_template(messages, tokenize=True, add_generation_prompt=add, return_dict=False)
            out.append({"vocabulary": vocabulary, **names, "template": template, "conversation": conversation,
                        "add_generation_prompt": add, "text": text, "ids": ids})
    return out


def main() -> None:
    cases = [case for vocabulary, names, templates in CASES for template in templates
             for case in conversation_cases(vocabulary, names, template)]
    made_with = {"transformers": transformers.__version__, "tokenizers": tokenizers.__version__,
                 "jinja2": jinja2.__version__}
    head = json.dumps({"made_with": made_with, "conversations": CONVERSATIONS}, indent=1)
    lines = ",\n".join("  " + json.dumps(case) for case in cases)
    OUT.write_text(f'{head[:-2]},\n "cases": [\n{lines}\n ]\n}}\n', encoding="utf-8")
    print(f"{len(cases)} cases")


if __name__ == "__main__":
    main()
