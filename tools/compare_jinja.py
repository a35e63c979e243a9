#!/usr/bin/env python3
"""Compares the template engine with jinja2, set up as transformers sets it up for chat templates.

    cmake --build build/release --target render_lines
    python3 tools/compare_jinja.py build/release/bin/render_lines                  # generated expressions
    python3 tools/compare_jinja.py build/release/bin/render_lines --templates DIR  # real templates, *.jinja

Both must give the same text, or both must fail. Nothing is written; the differences are printed, and counts at the end.
"""

import argparse
import copy
import json
import random
import subprocess
import sys
import warnings
from collections import Counter
from datetime import datetime, timezone
from pathlib import Path

import jinja2

from fixtures.chat_cases import CONVERSATIONS, environment

CONTEXT = {
    "s": "Hello, World", "e": "", "u": "héllo wörld ß 日本", "w": "  padded\n", "n": 7, "z": 0, "neg": -3, "f": 2.5,
    "t": True, "no": False, "nothing": None, "xs": [3, 1, 2], "names": ["b", "A", "c"], "empty": [],
    "d": {"a": 1, "b": "two", "items": [1, 2]}, "users": [{"name": "Ann", "age": 31, "tags": ["x"]},
    {"name": "bob", "age": 5, "tags": []}, {"name": "Cid", "age": 31}], "nested": [[1, 2], ["a"], []],
    "q": 'it\'s "quoted"\t\\', "lines": "one\ntwo\r\n\nthree", "num": " 42 ", "html": "<a href='x'>&</a>",
}
ATOMS = [*CONTEXT, "missing", "d.a", "d.zz", "users[0].name", "users[-1]['age']", "xs[1]", "1", "2.0", "-4", "'ab'", "''",
         "[1, 'x']", "{'k': 1}", "(1, 2)", "true", "none", "s[1:4]", "s[::-1]", "u[2]", "xs[-2:]", "range(3)", "100000",
         "1e16", "0.1", "'a b  c'", "d.items()", "users | first"]
FILTERS = ["trim", "upper", "lower", "title", "capitalize", "length", "first", "last", "list", "string", "int", "float",
           "abs", "round", "round(1)", "join", "join(', ')", "join('-', attribute='name')", "reverse | list", "sort",
           "sort(reverse=true)", "unique | list", "min", "max", "sum", "tojson", "tojson(indent=2)", "default('dflt')",
           "default('dflt', true)", "replace('l', 'LL')", "replace('o', '', 1)", "select | list", "reject | list",
           "select('string') | list", "map('upper') | list", "map(attribute='name') | list",
           "map(attribute='age', default=0) | list", "selectattr('name') | list", "selectattr('age', 'equalto', 31) | list",
           "rejectattr('tags', 'defined') | list", "items | list", "dictsort", "batch(2) | list", "indent", "indent(2, true)",
           "escape", "wordcount", "center(20)", "count", "attr('name')", "safe", "tojson(sort_keys=true)",
           "int(5)", "trim('Hd ')", "string | length", "reject('none') | list", "select('in', [1, 2, 'b']) | list"]
TESTS = ["defined", "undefined", "none", "string", "number", "integer", "float", "boolean", "mapping", "iterable", "sequence",
         "true", "false", "odd", "even", "divisibleby(3)", "sameas(none)", "equalto(7)", "in([1, 7, 'ab'])", "lower",
         "upper", "callable", "gt(2)", "le(2)", "ne('')", "eq 7", "== 2.5"]
METHODS = ["strip()", "lstrip()", "rstrip('\\n')", "split()", "split(',')", "split('l', 1)", "rsplit(None, 1)",
           "startswith('He')", "endswith(('d', 'x'))", "upper()", "lower()", "title()", "capitalize()", "swapcase()",
           "replace('l', 'r')", "find('o')", "rfind('o')", "count('l')", "isdigit()", "isalpha()", "isupper()", "isspace()",
           "items()", "keys() | list", "values() | list", "get('a')", "get('zz', 5)", "index('b')", "count(1)", "zfill(12)",
           "splitlines()", "partition(',')", "removeprefix('He')", "join(['x', 'y'])", "format(1)", "center(15, '*')",
           "ljust(14)", "append(1)", "islower()", "isalnum()", "rpartition('o')", "index('W')", "nomethod()"]
OPERATORS = ["+", "-", "*", "/", "//", "%", "**", "~", "==", "!=", "<", "<=", ">", ">=", "in", "not in", "and", "or"]
STATEMENTS = [
    "{{% for x in {a} %}}{{{{ loop.index }}}}:{{{{ x }}}}{{{{ ',' if not loop.last }}}}{{% else %}}none{{% endfor %}}",
    "{{% for x in {a} if x %}}{{{{ x }}}}/{{{{ loop.length }}}};{{% endfor %}}",
    "{{% for k, v in {a} %}}{{{{ k }}}}={{{{ v }}}} {{% endfor %}}",
    "{{% set v = {a} %}}{{% if {b} %}}{{% set v = {c} %}}{{% elif {c} %}}E{{% else %}}F{{% endif %}}{{{{ v }}}}",
    "{{% set ns = namespace(v={a}) %}}{{% for i in range(3) %}}{{% set ns.v = {b} %}}{{% if i == 1 %}}{{% break %}}{{% endif %}}"
    "{{{{ i }}}}{{% endfor %}}{{{{ ns.v }}}}",
    "{{% macro m(x, y={b}) %}}<{{{{ x }}}}|{{{{ y }}}}>{{% endmacro %}}{{{{ m({a}) }}}}{{{{ m({c}, y={a}) }}}}",
    "  {{% set block %}}\n  [{{{{ {a} }}}}]\n {{% endset %}}\n{{{{ block | upper }}}}{{{{ block | length }}}}\n",
    "a\n  {{%- if {a} -%}}\n  yes \n {{%- else %}}\n no\n{{% endif +%}}\n z {{{{- {b} -}}}} \n.",
    "{{% for x in {a} %}}{{% if loop.first %}}{{% continue %}}{{% endif %}}{{{{ loop.previtem }}}}{{{{ loop.nextitem }}}}"
    "{{{{ loop.revindex }}}}{{{{ loop.cycle('p', 'q') }}}}{{% endfor %}}",
    "{{% filter upper %}}x{{{{ {a} }}}}{{% endfilter %}}{{% with w = {b} %}}{{{{ w }}}}{{% endwith %}}{{{{ w }}}}",
    "{{% generation %}}{{{{ {a} }}}}{{% endgeneration %}}{{# c {a} #}}\n{{% raw %}} {{{{ {a} }}}} {{% endraw %}}\n",
    "{{% macro w() %}}({{{{ caller({a}) }}}}){{% endmacro %}}{{% call(q) w() %}}{{{{ q }}}}{{{{ {b} }}}}{{% endcall %}}",
    "{{{{ {a} if {b} else {c} }}}}{{{{ {a} if {c} }}}}",
    "{{{{ ({a}, {b}) | list }}}}{{{{ [{a}, {b}] }}}}{{{{ {{'k': {a}, 2: {b}}} }}}}",
    "{{{{ {a}[{b}] }}}}", "{{{{ {a}[{b}:{c}] }}}}", "{{{{ '%s-%5.1f|%-4s|%03d' % ({a}, {b}, {c}, {b}) }}}}",
    "{{{{ {a} < {b} < {c} }}}}{{{{ not {a} }}}}{{{{ -{b} }}}}",
]


def expression(source: random.Random, depth: int) -> str:
    kind = source.random()
    if depth == 0 or kind < 0.2:
        return source.choice(ATOMS)
    inner = expression(source, depth - 1)
    if kind < 0.5:
        return f"({inner} | {source.choice(FILTERS)})"
    if kind < 0.6:
        return f"({inner} is {source.choice(['', 'not '])}{source.choice(TESTS)})"
    if kind < 0.75:
        return f"({inner}).{source.choice(METHODS)}"
    return f"({inner} {source.choice(OPERATORS)} {expression(source, depth - 1)})"


def generated(count: int, seed: int) -> list[dict]:
    source = random.Random(seed)
    jobs = []
    for _ in range(count):
        if source.random() < 0.6:
            template = "{{ " + expression(source, source.randint(1, 3)) + " }}"
        else:
            parts = {name: expression(source, source.randint(0, 2)) for name in "abc"}
            template = source.choice(STATEMENTS).format(**parts)
        jobs.append({"template": template, "context": CONTEXT})
    return jobs


def real(directory: Path) -> list[dict]:
    jobs = []
    for path in sorted(directory.glob("*.jinja")):
        for messages in CONVERSATIONS.values():
            for add_generation_prompt in (True, False):
                jobs.append({"name": path.name, "template": path.read_text(), "context": {
                    "messages": messages, "add_generation_prompt": add_generation_prompt, "bos_token": "<s>",
                    "eos_token": "</s>", "unk_token": "<unk>", "tools": None, "documents": None}})
    return jobs


def expected(job: dict) -> dict:
    env = environment(datetime(2025, 1, 1, tzinfo=timezone.utc))
    try:
        return {"text": env.from_string(job["template"]).render(**copy.deepcopy(job["context"]))}
    except RecursionError:
        raise
    except Exception as failure:  # whatever a template can raise
        return {"error": f"{type(failure).__name__}: {failure}"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", type=Path)
    parser.add_argument("--templates", type=Path)
    parser.add_argument("--count", type=int, default=20000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", type=int, default=20)
    parser.add_argument("--errors", action="store_true", help="print the errors of templates that fail in both")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", SyntaxWarning)  # Python's, on what templates compile to
    jobs = real(arguments.templates) if arguments.templates else generated(arguments.count, arguments.seed)
    lines = "".join(json.dumps({"template": job["template"], "context": job["context"]}) + "\n" for job in jobs)
    answers = subprocess.run([arguments.program], input=lines, capture_output=True, text=True, check=True,
                             env={"TZ": "UTC"}).stdout.split("\n")
    counts: Counter[str] = Counter()
    different: Counter[str] = Counter()
    for job, line in zip(jobs, answers):
        found, wanted = json.loads(line), expected(job)
        same = found == wanted or ("error" in found and "error" in wanted)
        # A generator prints its address, and a function too: no program can print the same.
        if not same and " at 0x" in wanted.get("text", ""):
            same = True
            counts["prints an address"] += 1
        kind = ("same text" if "text" in wanted else "both fail") if same else "different"
        counts[kind] += 1
        if arguments.errors and kind == "both fail":
            print(f"{job.get('name', job['template'])}\n  jinja2: {wanted['error']}\n  found:  {found['error']}")
        different[job.get("name", "")] += not same
        if not same and counts["different"] <= arguments.show:
            print(f"template: {job['template'] if 'name' not in job else job['name']}\n"
                  f"  jinja2: {wanted}\n  found:  {found}\n")
    for name, number in different.items():
        if number and name:
            print(f"{name}: {number} different")
    print(f"jinja2 {jinja2.__version__}: {len(jobs)} templates, {dict(counts)}")
    return 1 if counts["different"] else 0


if __name__ == "__main__":
    sys.exit(main())
