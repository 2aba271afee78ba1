"""Chat templates from elsewhere: whatever one of them does is over at once, or refused in a line; those of known models work as ever."""

from __future__ import annotations

import resource
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

pytest.importorskip("transformers")

from jinja2.sandbox import ImmutableSandboxedEnvironment
from transformers.utils import chat_template_utils as _untyped

from bench.models.local import processor
from bench.models.local.templates import BoundedEnvironment
from tests.chaos.mixing import Foreign

chat_template_utils: Any = _untyped
CLOCK_S = 0.3
"""For templates that loop."""
MOST_S = 3.0
"""Of processor time, for any template: the clock, and the longest step that it waits for."""
EXAMPLES = 120
MOST_KB = 700_000
"""That the memory of this process may grow by, whatever templates do."""


def ends(template: str, clock_s: float = CLOCK_S) -> str | None:
    """Why `template` is refused; it is, or it is rendered, within the time."""
    started = time.process_time()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(processor, "TEMPLATE_S", clock_s)
        why = processor.why_unfit(Foreign(template))
    took = time.process_time() - started
    assert took < MOST_S, (took, template)
    assert why is None or "\n" not in why
    return why


# -- a grammar of what might take long ---------------------------------------------------------------------------------------------------
NUMBERS = ("0", "1", "-1", "7", "99", "1000", "10**5", "10**6", "10**9", "2**59", "0x" + "f" * 400, "0.5", "1e308")
TEXTS = ("''", "'a'", "'ab\\n'", "'%d'", "'%s%%'", "'%999999999d'", "'%*d'", "'%(a)s'", "'{:>999999999}'", "'{:{}}'", "'<\\t'")
LISTS = ("[]", "[1]", "range(10**5)", "range(1000)|list", "messages", "{'a': 1}", "s.a", "dict(a=1)", "varargs")
OPERATORS = ("+", "-", "*", "/", "//", "%", "**", "~", "==", "<", "in", "and", "is divisibleby", "is sameas")
FILTERS = tuple(sorted(ImmutableSandboxedEnvironment().filters))
METHODS = (
    "center", "count", "encode", "endswith", "expandtabs", "find", "format", "format_map", "index", "join", "ljust", "lstrip", "partition",
    "replace", "rfind", "rjust", "rpartition", "rsplit", "split", "splitlines", "strip", "title", "to_bytes", "translate", "zfill", "keys",
    "items", "get", "copy", "append", "fromkeys",
)  # fmt: skip


def _grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    several = st.lists(inner, max_size=3).map(", ".join)
    return st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from(OPERATORS), inner),
        st.builds("({})|{}({})".format, inner, st.sampled_from(FILTERS), several),
        st.builds("({}).{}({})".format, inner, st.sampled_from(METHODS), several),
        st.builds("(({0}) * 10**{1})".format, inner, st.integers(0, 9)),
        st.builds("[{}, {}, {}]".format, inner, inner, inner),
        st.builds("({0}, {0})".format, inner),
        st.builds("{{'a': {0}, 'b': {0}}}".format, inner),
        st.builds("({0})|map('{1}', {2})|list".format, inner, st.sampled_from(FILTERS), several),
        st.builds("({0})|map(attribute='z', default={0})|list".format, inner),
        st.builds("f({}, {})".format, inner, inner),
        st.builds("({})[{}:]".format, inner, inner),
    )


EXPRESSIONS = st.recursive(st.sampled_from((*NUMBERS, *TEXTS, *LISTS)), _grown, max_leaves=8)
_BEGIN = "{% set s = namespace(a=1) %}{% macro f(x) %}{{ x ~ varargs }}{% endmacro %}"


def template(start: str, step: str, end: str) -> str:
    """`s.a` grows from `start` by `step`, and `end` is printed."""
    return f"{_BEGIN}{{% set s.a = {start} %}}{{% for i in range(60) %}}{{% set s.a = {step} %}}{{% endfor %}}{{{{ {end} }}}}"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the clock may strike while hypothesis counts garbage
@given(start=EXPRESSIONS, step=EXPRESSIONS, end=EXPRESSIONS)
@example(start="'a'", step="s.a ~ s.a", end="s.a")
@example(start="1", step="[s.a, s.a]", end="s.a == [s.a, s.a]")
@example(start="1", step="{'a': s.a, 'b': s.a}", end="s.a|tojson(indent=8)")
@example(start="1", step="namespace(a=s.a, b=s.a)", end="s.a")
@example(start="1", step="dict(a=s.a, b=s.a)", end="s.a|string")
@example(start="7", step="s.a * s.a", end="s.a // 3")
@example(start="1", step="s.a", end="range(0, 10**5 * (2**61 - 1), 2**61 - 1)|list")
@example(start="1", step="s.a", end="range(100000)|map('center', 2000000)|join|length")
@example(start="'a' * 900000", step="s.a", end="s.a.rfind('b' + 'a' * 500000)")
@example(start="'a' * 900000", step="s.a", end="s.a.strip('b' * 900000 + 'a')")
@example(start="'a' * 900", step="s.a", end="s.a.replace('', s.a * 900)")
@example(start="[1]", step="s.a", end="([[1] * 100] * 1000)|sum(start=[])")
@settings(max_examples=EXAMPLES, deadline=None, phases=[Phase.explicit, Phase.generate], suppress_health_check=[HealthCheck.too_slow])
def test_any_template_is_over_at_once_or_refused(start: str, step: str, end: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ends(template(start, step, end))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MOST_KB


@pytest.mark.parametrize(
    ("text", "why"),
    {
        "{{ 7 ** 10**9 }}": "makes a number of more than 60 bits",
        "{% if false %}{{ 7 ** 10**9 }}{% endif %}": "leaves images out",
        "{{ 'a' * 10**9 }}": "makes a value of more than 2,000,000 characters",
        "{{ 10**9 * [1] }}": "makes a value of more than 2,000,000 characters",
        "{{ '%999999999d'|format(1) }}": "makes a value of more than 2,000,000 characters",
        "{{ '{:>{}}'.format(1, 999999999) }}": "makes a value of more than 2,000,000 characters",
        "{{ 1|round(10**9) }}": "rounds to more digits than a number has",
        "{{ (1).to_bytes(10**9) }}": "calls 'to_bytes', which no prompt needs",
        "{% for i in range(99999) %}{{ 'x'|center(99999) }}{% endfor %}": "makes a value of more than 2,000,000 characters",
        "{% set x %}{% for i in range(99999) %}{{ i ~ 'x'|center(99999) }}{% endfor %}{% endset %}": "80,000,000 characters in all",
        "{{ 'x' }}" * 40_000: "has more than 100,000 characters",
        "{{ a }}" * 7_000: "makes more than 500,000 characters of code",
        "{{ 1 / 0 }}": "fails on an image and a text (division by zero)",
        "{{ " + "(" * 9999 + "1" + ")" * 9999 + " }}": "fails on an image and a text (maximum recursion depth exceeded",
        "{{ raise_exception('one\ntwo') }}": "fails on an image and a text (one)",
        "{% include 'x' %}": "fails on an image and a text (no loader",
    }.items(),
    ids=lambda value: value[:40],
)
def test_what_is_refused_is_told_in_a_line(text: str, why: str) -> None:
    assert why in str(ends(text, clock_s=10.0))


# -- what known models do ----------------------------------------------------------------------------------------------------------------
QWEN = (
    "{% set image_count = namespace(value=0) %}{% for message in messages %}{% if loop.first and message['role'] != 'system' %}"
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}<|im_end|>\n{% else %}{% for content in message['content'] %}"
    "{% if content['type'] == 'image' or 'image' in content or 'image_url' in content %}{% set image_count.value = image_count.value + 1 %}"
    "{% if add_vision_id %}Picture {{ image_count.value }}: {% endif %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif 'text' in content %}{{ content['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LLAMA = (
    "{{- '<|begin_of_text|>' }}{%- if not date_string is defined %}{%- set date_string = '26 Jul 2024' %}{%- endif %}"
    "{%- set image_ns = namespace(has_images=false) %}{%- for message in messages %}{%- for content in message['content'] %}"
    "{%- if content['type'] == 'image' %}{%- set image_ns.has_images = true %}{%- endif %}{%- endfor %}{%- endfor %}"
    "{%- if messages[0]['role'] == 'system' %}{%- set system_message = messages[0]['content']|trim %}{%- set messages = messages[1:] %}"
    "{%- else %}{%- set system_message = '' %}{%- endif %}{{- 'Today Date: ' + date_string + '\\n\\n' + system_message }}"
    "{%- for message in messages %}{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' }}"
    "{%- for content in message['content'] %}{%- if content['type'] == 'image' %}{{- '<|image|>' }}{%- elif content['type'] == 'text' %}"
    "{{- content['text'].strip().split('</think>')[-1].lstrip('\\n') }}{%- endif %}{%- endfor %}{{- '<|eot_id|>' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{%- endif %}"
)
VARIOUS = (
    "{%- macro shown(item, n=0) -%}{%- if item is mapping -%}{{ item|tojson(indent=2) }}{%- else -%}{{ '%s'|format(item) }}{%- endif -%}"
    "{%- endmacro -%}{%- set ns = namespace(found=[], last=messages|length - 1) -%}{%- for message in messages[::-1] -%}"
    "{%- set ns.found = ns.found + [message.role|upper ~ ':' ~ loop.index0] -%}"
    "{%- for part in message.content if part.type == 'image' -%}<image>{{ shown(part) }}{%- break -%}{%- endfor -%}"
    "{%- for part in message.content|selectattr('type', 'equalto', 'text') -%}{{ part.text|replace('?', '!')|indent(2, true) }}"
    "{{ '{} {role:>6}'.format(loop.index, role=message.role) }}{%- endfor -%}{%- endfor -%}{{ ns.found|join(', ') }}"
    "{{ messages|map(attribute='role')|unique|sort|list|tojson }}{{ (ns.last * 3) // 2 % 5 }}{{ {'a': 1}.items()|list }}"
    "{{ '1.50'|float|round(1) }}{{ dict(a=1, b=[1, 2])|items|list }}{% generation %}{{ 'x'.join(['a', 'b']) }}{% endgeneration %}"
)


@pytest.mark.parametrize("text", [QWEN, LLAMA, VARIOUS], ids=["qwen", "llama", "various"])
def test_templates_as_models_have_them_render_the_same_as_without_bounds(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    chat = [
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Which? " * 2_000}, {"type": "text", "text": "Ü <b>"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "<think>no</think>\n1"}]},
    ]
    assert ends(text) is None
    bounded = Foreign(text).apply_chat_template(chat)
    chat_template_utils._compile_jinja_template.cache_clear()
    monkeypatch.setattr(chat_template_utils, "ImmutableSandboxedEnvironment", ImmutableSandboxedEnvironment)
    assert Foreign(text).apply_chat_template(chat) == bounded
    chat_template_utils._compile_jinja_template.cache_clear()


def test_transformers_renders_in_the_bounded_environment() -> None:
    """Whoever asks it to: where a release renames what is replaced, this fails."""
    assert ends(QWEN) is None
    compiled: Any = chat_template_utils._compile_jinja_template(QWEN)
    assert type(compiled.environment) is BoundedEnvironment


def test_methods_of_pictures_and_other_objects_are_not_called(tmp_path: Any) -> None:
    from PIL import Image

    environment = BoundedEnvironment()
    with pytest.raises(Exception, match="calls 'save', which no prompt needs"):
        environment.from_string("{{ image.save(path) }}").render(image=Image.new("RGB", (9, 9)), path=str(tmp_path / "x.png"))
    assert not (tmp_path / "x.png").exists()
