"""Chat templates of checkpoints from elsewhere: no single operation of one takes long, or much memory.

The clock (`bench.time_limit`) stops a template between two steps of Python code, and one step of C may take for ever: `7 ** 10**9`, a text
repeated without end, a width of a billion, the text of a list that holds itself many times over. So every value that a template makes is
weighed, what would grow is weighed before it is made, and of the methods of texts and lists only those are called that are known to be
quick. The sandbox of jinja2 decides what may be touched, as ever.
"""

from __future__ import annotations

import functools
import re
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping, MappingView
from types import BuiltinMethodType, CodeType, MethodType
from typing import Any, cast

import jinja2
from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment, SandboxedFormatter
from jinja2.utils import Cycler, Joiner, Namespace

from bench.extras import optional

HEAVIEST = 2_000_000
"""Most that one value may weigh: a character weighs 1, a number, a list or anything else in a list 10."""
BUDGET = 40 * HEAVIEST
"""Most that all values which are made for one prompt may weigh together."""
LONGEST = 100_000
"""Most characters of a template; those of known models have at most 30,000."""
_LONGEST_CODE = 500_000
"""Most characters of the Python code that jinja2 makes of a template, since compiling it is one operation too: about half a second."""
_PIECE = 10
_BITS = 60
"""Of a whole number. Below, every number is its own hash, and none of a million keys meets another."""
_COMPARISONS = 100_000_000
"""Most comparisons of characters in a search that may take as many as both texts have characters, multiplied."""

_FROM_THE_END = frozenset({"rfind", "rindex", "rsplit", "rpartition", "strip", "lstrip", "rstrip"})
_WIDTHS = frozenset({"center", "ljust", "rjust", "zfill"})
_METHODS: Mapping[type, frozenset[str]] = {
    str: frozenset({
        "capitalize", "casefold", "count", "endswith", "find", "index", "isalnum", "isalpha", "isascii", "isdecimal", "isdigit", "islower",
        "isnumeric", "isspace", "istitle", "isupper", "join", "lower", "partition", "removeprefix", "removesuffix", "replace", "split",
        "splitlines", "startswith", "swapcase", "title", "upper",
    })
    | _FROM_THE_END
    | _WIDTHS,
    dict: frozenset({"copy", "get", "items", "keys", "values"}),
    list: frozenset({"copy", "count", "index"}),
    tuple: frozenset({"count", "index"}),
    float: frozenset({"is_integer"}),
}  # fmt: skip
"""What is known to be quick, by the kind of what it is called on."""
_NO_FILTERS = ("pprint", "striptags", "urlize", "wordwrap", "xmlattr")
"""For pages, not for prompts."""


def bound_templates() -> None:
    """Have transformers render chat templates in a `BoundedEnvironment` from now on, whoever asks it to (vLLM and TRL among them)."""
    rendering: Any = optional("transformers.utils.chat_template_utils", "local")
    if rendering.ImmutableSandboxedEnvironment is not BoundedEnvironment:
        rendering.ImmutableSandboxedEnvironment = BoundedEnvironment
        rendering._compile_jinja_template.cache_clear()


class TooMuchError(jinja2.TemplateError):
    """A template makes, or calls, what no prompt needs; the message goes after "a chat template that"."""


# -- weights -----------------------------------------------------------------------------------------------------------------------------
def _allow(weight: float) -> None:
    if weight > HEAVIEST:
        raise TooMuchError(f"makes a value of more than {HEAVIEST:,} characters")


def _weighed(value: object) -> tuple[int, int]:
    """The weight of a value and of all that its text would hold, and how deep it is nested.

    Raises:
        TooMuchError: it is too heavy, or holds a number that is too large.
    """
    total = deepest = 0
    pending: list[tuple[object, int]] = [(value, 0)]
    while pending:
        item, depth = pending.pop()
        deepest = max(deepest, depth)
        total += _PIECE
        if isinstance(item, str | bytes):
            total += len(item)
        elif isinstance(item, int):
            if item.bit_length() > _BITS:
                raise TooMuchError(f"makes a number of more than {_BITS} bits")
        elif isinstance(item, Mapping | MappingView | list | tuple | set | frozenset):
            inside = cast("Mapping[object, object]", item).items() if isinstance(item, Mapping) else cast("Collection[object]", item)
            _allow(total + _PIECE * len(inside))
            pending.extend((one, depth + 1) for one in inside)
        _allow(total)
    return total, deepest


def _weight(value: object) -> int:
    return _weighed(value)[0]


def _numbers(pattern: str) -> int:
    """The sum of all numbers in a pattern: more than the widths and precisions that it asks for."""
    runs = re.findall(r"\d+", pattern)
    return HEAVIEST + 1 if any(len(run) > 9 for run in runs) else sum(map(int, runs))


def _allow_percent(pattern: str, values: Any) -> None:
    """Make sure that `pattern % values` is no heavier than what may be."""
    total, weight = len(pattern) + _numbers(pattern), _weight(values)
    if isinstance(values, tuple):
        items = cast("tuple[object, ...]", values)
        total += pattern.count("*") * max((abs(item) for item in items if isinstance(item, int)), default=0)
    _allow(total + weight * (pattern.count("%") if isinstance(values, Mapping) else 1))


def _allow_replacing(text: str, old: object, new: object) -> None:
    if isinstance(old, str) and isinstance(new, str):
        _allow(len(text) + text.count(old) * len(new))


class _Formatter(SandboxedFormatter):
    """`str.format`, whose widths and values together are no heavier than what may be."""

    def __init__(self, env: jinja2.Environment) -> None:
        super().__init__(env)
        self._made = 0

    def format_field(self, value: Any, format_spec: str) -> Any:
        self._made += _numbers(format_spec) + _weight(value)
        _allow(self._made)
        return super().format_field(value, format_spec)


# -- filters -----------------------------------------------------------------------------------------------------------------------------
def _indent(text: Any, width: Any = 4, *_: Any, **__: Any) -> None:
    _allow(_weight(text) + (len(str(text).splitlines()) + 1) * (width if isinstance(width, int) else len(str(width))))


def _round(number: Any, precision: Any = 0, *_: Any, **__: Any) -> None:
    if isinstance(precision, int) and abs(precision) > _BITS:
        raise TooMuchError("rounds to more digits than a number has")


def _replace(text: Any, old: Any, new: Any, *_: Any, **__: Any) -> None:
    _allow_replacing(str(text), str(old), str(new))


def _format(pattern: Any, *values: Any, **named: Any) -> None:
    _allow_percent(str(pattern), named or values)


def _tojson(value: Any, ensure_ascii: Any = False, indent: Any = None, separators: Any = None, *_: Any, **__: Any) -> None:
    weight, depth = _weighed(value)
    wide = indent if isinstance(indent, int) else len(str(indent or ""))
    _allow(weight + weight // _PIECE * (depth * wide + len(str(separators or ""))))


def _sum(values: Any, attribute: Any = None, start: Any = 0, *_: Any, **__: Any) -> None:
    if not isinstance(start, int | float):
        raise TooMuchError("adds up what are no numbers")


def _width(value: Any, width: Any = 0, *_: Any, **__: Any) -> None:
    if isinstance(width, int):
        _allow(width)


_CHECKS: Mapping[str, Callable[..., None]] = {
    "indent": _indent, "round": _round, "replace": _replace, "format": _format, "tojson": _tojson, "sum": _sum, "center": _width,
    "batch": _width, "slice": _width,
}  # fmt: skip
"""What makes sure of what a filter would make, from what the template hands it."""


def _bounded(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that weighs what it makes; it wants the context, so that it is never worked out while a template is compiled."""
    wants = getattr(function, "jinja_pass_arg", None)
    check = _CHECKS.get(name)

    @jinja2.pass_context
    def bounded(context: _Context, value: Any, *arguments: Any, **named: Any) -> Any:
        if name == "join":
            value = list(value)
            glue = arguments[0] if arguments else named.get("d", "")
            _allow(_weight(value) + len(value) * _weight(glue))
        elif check is not None:
            check(value, *arguments, **named)
        front = {"context": context, "eval_context": context.eval_ctx, "environment": context.environment}
        first = () if wants is None else (front[wants.name],)
        return context.pay(function(*first, value, *arguments, **named))

    bounded.is_bounded = True  # type: ignore[attr-defined]
    return bounded


# -- the environment ---------------------------------------------------------------------------------------------------------------------
class _Context(Context):
    """What a prompt is made from, and what it has cost."""

    spent = 0

    def pay(self, made: Any) -> Any:
        """Weigh what was made, and hand it on."""
        self.spent += _weight(made)
        if self.spent > BUDGET:
            raise TooMuchError(f"makes more than {BUDGET:,} characters in all")
        return made


class _Generator(CodeGenerator):
    """Has lists and joined texts weighed, which jinja2 would leave to Python."""

    def visit_List(self, node: nodes.List, frame: Frame) -> None:  # noqa: N802 (jinja2 names it)
        self._weighed(super().visit_List, node, frame)

    def visit_Dict(self, node: nodes.Dict, frame: Frame) -> None:  # noqa: N802 (jinja2 names it)
        self._weighed(super().visit_Dict, node, frame)

    def visit_Tuple(self, node: nodes.Tuple, frame: Frame) -> None:  # noqa: N802 (jinja2 names it)
        if node.ctx == "load":
            self._weighed(super().visit_Tuple, node, frame)
        else:
            super().visit_Tuple(node, frame)

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:  # noqa: N802 (jinja2 names it)
        self.write("environment.texts(context, (")
        for part in node.nodes:
            self.visit(part, frame)
            self.write(", ")
        self.write("))")

    def _weighed(self, write: Callable[[Any, Frame], None], node: nodes.Node, frame: Frame) -> None:
        self.write("context.pay(")
        write(node, frame)
        self.write(")")


@jinja2.pass_context
def _printed(context: _Context, value: Any) -> Any:
    return context.pay(value)


class BoundedEnvironment(ImmutableSandboxedEnvironment):
    """The sandbox in which no operation takes long; see the top of this file."""

    intercepted_binops = frozenset(ImmutableSandboxedEnvironment.default_binop_table)
    code_generator_class = _Generator
    context_class = _Context

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named, optimized=False, finalize=_printed)
        for name in _NO_FILTERS:
            del self.filters[name]
        del self.globals["lipsum"]

    def from_string(self, source: str | nodes.Template, *arguments: Any, **named: Any) -> jinja2.Template:
        """Compile a template; what is among filters and globals by now is bounded first."""
        for name, function in self.filters.items():
            if not hasattr(function, "is_bounded"):
                self.filters[name] = _bounded(name, function)
        namespace: type[Namespace] = self.globals["namespace"]  # type: ignore[assignment]
        self.globals["namespace"] = type(namespace.__name__, (namespace,), {"__repr__": object.__repr__})  # its own shows all that it holds
        if isinstance(source, str) and len(source) > LONGEST:
            raise TooMuchError(f"has more than {LONGEST:,} characters")
        return super().from_string(source, *arguments, **named)

    def _generate(self, source: nodes.Template, *arguments: Any, **named: Any) -> str:
        for constant in source.find_all(nodes.Const):
            _weight(constant.value)
        return super()._generate(source, *arguments, **named)

    def _compile(self, source: str, filename: str) -> CodeType:
        if len(source) > _LONGEST_CODE:
            raise TooMuchError(f"makes more than {_LONGEST_CODE:,} characters of code")
        with warnings.catch_warnings():  # Python's, of what a template does
            warnings.simplefilter("ignore")
            return super()._compile(source, filename)

    @staticmethod
    def concat(parts: Iterable[str]) -> str:
        """What was printed, as one text."""
        kept: list[str] = []
        total = 0
        for part in parts:
            total += len(part)
            _allow(total)
            kept.append(part)
        return "".join(kept)

    def texts(self, context: _Context, parts: tuple[Any, ...]) -> str:
        """`a ~ b ~ c`."""
        _weight(parts)
        return context.pay("".join(map(str, parts)))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """An operation of arithmetic, on numbers, texts or lists."""
        if operator == "*":
            for one, times in ((left, right), (right, left)):
                if isinstance(times, int) and not isinstance(one, int | float):
                    _allow(_weight(one) * times)
        elif operator == "%" and isinstance(left, str):
            _allow_percent(left, right)
        elif operator == "**" and isinstance(left, int) and isinstance(right, int) and right * (left.bit_length() - 1) > _BITS:
            raise TooMuchError(f"makes a number of more than {_BITS} bits")
        return cast("_Context", context).pay(super().call_binop(context, operator, left, right))

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """`str.format` and `str.format_map`, bounded; None for anything else."""
        wrapped = super().wrap_str_format(value)
        if wrapped is None:
            return None

        @functools.wraps(wrapped)
        def bounded(*values: Any, **named: Any) -> str:
            if value.__name__ == "format_map":
                values, named = (), *values
            return _Formatter(self).vformat(str(value.__self__), values, named)

        return bounded

    def call(self, context: Context, function: Any, /, *arguments: Any, **named: Any) -> Any:
        """A call of whatever may be called."""
        self._refuse_slow(function)
        _weight((arguments, named))
        owner, name = getattr(function, "__self__", None), getattr(function, "__name__", "")
        if isinstance(owner, str):
            if name == "join" and arguments:
                arguments = (list(arguments[0]), *arguments[1:])
            self._refuse_growth(owner, name, (*arguments, *named.values()))
        elif name == "strftime_now":
            _allow(_weight(arguments) * 256)
        return cast("_Context", context).pay(super().call(context, function, *arguments, **named))

    def _refuse_slow(self, function: Any) -> None:
        """Make sure that `function` is known to be quick: made by the template, of jinja2 or transformers, or a method that is listed."""
        owner, name = getattr(function, "__self__", None), getattr(function, "__name__", "something")
        if isinstance(function, BuiltinMethodType) or isinstance(owner, str):
            known = next((names for kind, names in _METHODS.items() if isinstance(owner, kind)), frozenset[str]())
            fine = name in known
        elif isinstance(function, MethodType):
            fine = type(owner).__module__.partition(".")[0] in ("jinja2", "transformers")
        else:
            fine = not isinstance(function, type) or function is dict or issubclass(function, Namespace | Cycler | Joiner)
        if not fine:
            raise TooMuchError(f"calls {name!r}, which no prompt needs")

    def _refuse_growth(self, text: str, name: str, given: tuple[Any, ...]) -> None:
        """Make sure of what the method `name` of `text` would make of what it is `given`."""
        if name in _WIDTHS:
            _allow(max((value for value in given if isinstance(value, int)), default=0))
        elif name == "join" and given:
            _allow(_weight(given[0]) + len(given[0]) * len(text))
        elif name == "replace" and len(given) > 1:
            _allow_replacing(text, given[0], given[1])
        elif name in _FROM_THE_END and len(text) * max((len(value) for value in given if isinstance(value, str)), default=0) > _COMPARISONS:
            raise TooMuchError(f"searches a long text for a long one ({name})")
