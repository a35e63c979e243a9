#!/usr/bin/env python3
"""Makes tests/fixtures/chat_templates/expected.json: what transformers and jinja2 make of the templates beside it, of the
built-in templates and of a list of expressions.

    python3 tools/make_chat_fixtures.py
"""

import copy
import json
import re
from datetime import datetime, timezone
from pathlib import Path

import jinja2
import transformers
from transformers.utils.chat_template_utils import render_jinja_template

from fixtures.chat_cases import CONVERSATIONS, EXPRESSION_CONTEXT, EXPRESSIONS, environment

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "tests/fixtures/chat_templates"
BUILT_IN = ROOT / "host/chat/built_in_templates.cpp"
NAMES = {"bos_token": "<s>", "eos_token": "</s>", "date_string": "01 Jan 2025"}


def built_in() -> dict[str, str]:
    """The templates in the C++ source, by name."""
    if not BUILT_IN.exists():
        return {}
    return dict(re.findall(r'\{"(\w+)",\s*R"jinja\((.*?)\)jinja"', BUILT_IN.read_text(), re.S))


def outcome(render) -> dict:
    try:
        return {"text": render()}
    except jinja2.exceptions.TemplateSyntaxError as failure:
        return {"fails": str(failure), "line": failure.lineno}
    except Exception as failure:  # whatever a template can raise
        if type(failure) is jinja2.exceptions.TemplateError:  # raise_exception; its subclasses are the engine's own
            return {"raises": str(failure)}
        return {"fails": f"{type(failure).__name__}: {failure}"}


def conversation_case(name: str, source: str, conversation: str, add_generation_prompt: bool) -> dict:
    def render():
        rendered, _ = render_jinja_template([copy.deepcopy(CONVERSATIONS[conversation])], chat_template=source,
                                            add_generation_prompt=add_generation_prompt, **NAMES)
        return rendered[0]

    return {"template": name, "conversation": conversation, "add_generation_prompt": add_generation_prompt,
            **outcome(render)}


def main() -> None:
    templates = {path.stem: path.read_text() for path in sorted(FOLDER.glob("*.jinja"))}
    cases = [conversation_case(name, source, conversation, add)
             for name, source in [*templates.items(), *(("builtin:" + n, s) for n, s in built_in().items())]
             for conversation in CONVERSATIONS for add in (True, False)]
    env = environment(datetime(2025, 1, 1, tzinfo=timezone.utc))
    expressions = [{"template": text, **outcome(lambda: env.from_string(text).render(**copy.deepcopy(EXPRESSION_CONTEXT)))}
                   for text in EXPRESSIONS]
    document = {"made_with": {"transformers": transformers.__version__, "jinja2": jinja2.__version__}, "names": NAMES,
                "conversations": CONVERSATIONS, "cases": cases, "expression_context": EXPRESSION_CONTEXT,
                "expressions": expressions}
    (FOLDER / "expected.json").write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n")
    print(f"{len(cases)} conversations, {len(expressions)} expressions")


if __name__ == "__main__":
    main()
