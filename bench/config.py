"""The configuration of a run: every option once, with its type, default and help.

The command line, `--config FILE.toml` and `bench.run(**options)` are three spellings of the same options: flags are made of the fields
below (`bench.commands.options`), TOML keys and Python arguments are their names. `RunConfig.of` reads any of the three and refuses what is
wrong in the spelling that the person used; `RunConfig.options` gives the same options back, so that a run can be written out as a file.
"""

from __future__ import annotations

import difflib
import json
import re
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeVar
from urllib.parse import urlsplit, urlunsplit

from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass
from pydantic.fields import FieldInfo

from bench import env
from bench.defaults import ATTEMPTS, AUTO, SUITE
from bench.degrade import Degradation, parse_doses
from bench.digest import digest
from bench.docstrings import field_docstrings
from bench.errors import UserError
from bench.mode import DIAGNOSE, Mode
from bench.models.base import Sampling
from bench.option_values import (
    read_caption_prompt,
    read_columns,
    read_concurrency,
    read_doses,
    read_headers,
    read_int,
    read_listed,
    read_modes,
    read_object,
    read_one_or_more,
    read_reasoning,
    read_shard,
)
from bench.outcome import Format
from bench.trial import Captioner
from tasks.custom.columns import parse_columns
from tasks.suites import SuiteSpec, suite_label

DEFAULT_RUN: Mapping[str, object] = {"level": 1, "format": "open", "limit": 20, "max_tokens": 256, "concurrency": 64}
"""What a command line without any argument stands for: a minute of the real thing on two cores, no key and no network."""


class Flag(NamedTuple):
    """How an option looks on the command line. `shown` is what help says of a default that is None, or of what a `negative` flag does."""

    metavar: str | None = None
    name: str | None = None
    shown: str | None = None
    repeatable: bool = False
    negative: str | None = None
    """The flag that turns an option off that is on by default."""


Int = Annotated[int, BeforeValidator(read_int)]
_CONFIG = ConfigDict(extra="forbid", arbitrary_types_allowed=True)
_Text = tuple[str, ...]


@dataclass(config=_CONFIG, frozen=True)
class Subject:
    """What is asked about."""

    models: Annotated[_Text, BeforeValidator(read_one_or_more), Field(min_length=1), Flag("NAME", "--model", repeatable=True)] = (
        "tiny-glance",
        "tiny-base",
    )
    """an alias or provider/id; repeatable"""
    modes: Annotated[tuple[Mode, ...], BeforeValidator(read_modes), Flag("M1,M2", "--mode", shown="diagnose")] = DIAGNOSE
    """diagnose (image, caption, oracle, readback and blind), or some of these, image+caption, image+oracle"""
    suite: Annotated[str, Flag("NAME")] = SUITE
    """algo, mini, algopuzzlevqa, puzzlevqa, a family, or e.g. algo:seed=7,level=3,n=50; the path of a table of your own, or hub:ORG/NAME"""
    columns: Annotated[str | None, BeforeValidator(read_columns), Flag("FIELD=COL,...", shown="found by their names")] = None
    """columns of your own table: image, images, question, answer, options, description, family, id, split, level, state, hint"""
    data_dir: Annotated[Path | None, Flag("DIR", shown="the hub")] = None
    """the authors' clone of a public set"""
    families: Annotated[_Text, BeforeValidator(read_listed), Flag("A,B", shown="all")] = ()
    """only these families"""
    limit: Annotated[Int | None, Field(ge=1), Flag("N", shown="all")] = None
    """at most N puzzles per family"""
    level: Annotated[Int | None, Field(ge=1, le=5), Flag("L", shown="all")] = None
    """only puzzles of this level, 1 to 5"""
    shard: Annotated[tuple[int, int] | None, BeforeValidator(read_shard), Flag("I/N", shown="the whole")] = None
    """only part I of N; report merges the parts"""

    @property
    def column_names(self) -> dict[str, str]:
        """Field -> column, as far as they were named."""
        return parse_columns(self.columns or "")

    @property
    def spec(self) -> SuiteSpec:
        """The suite, with the level filled in."""
        spec = SuiteSpec.parse(self.suite)
        if self.level is None:
            return spec
        return replace(spec, level=self.level)


@dataclass(config=_CONFIG, frozen=True)
class Conditions:
    """How it is asked."""

    captioner: Annotated[str, Flag("NAME")] = "self"
    """self, dataset, or a model"""
    caption_prompt: Annotated[
        str | None, BeforeValidator(read_caption_prompt), Flag("KIND", shown="notation where readback is asked too, else plain")
    ] = None
    """plain, guided (sees the question), or notation (the family's own: one text for caption and readback)"""
    format: Annotated[Format, Flag("FORMAT")] = Format.MCQ
    """mcq (options to choose from) or open (an open question)"""
    replicates: Annotated[Int, Field(ge=1), Flag("K")] = 1
    """times each trial is asked"""
    seed: Annotated[Int, Flag("S")] = 0
    """of sampling and of option orders"""
    max_tokens: Annotated[Int | None, Field(ge=1), Flag("N", shown="2048, and room for reasoning where a model reasons")] = None
    """upper bound of one reply, reasoning included"""
    temperature: Annotated[float | None, Field(ge=0, allow_inf_nan=False), Flag("T", shown="the model's own")] = None
    """of sampling"""
    reasoning: Annotated[str | int | None, BeforeValidator(read_reasoning), Flag("R", shown="the model's own")] = None
    """off, minimal, low, medium, high, xhigh, max or a number of tokens"""
    base_url: Annotated[str | None, Flag("URL", shown="OpenAI's own")] = None
    """a server of chat completions, for models of openai/ alone"""
    extra_body: Annotated[Mapping[str, Any] | None, BeforeValidator(read_object), Flag("JSON", shown="nothing")] = None
    """further fields of every request to a server of chat completions"""
    headers: Annotated[_Text, BeforeValidator(read_headers), Flag("NAME=VALUE", "--header", repeatable=True, shown="none")] = ()
    """a further header of the same requests; repeatable; its value is stored nowhere"""
    resize: Annotated[
        bool, Flag(negative="--no-resize", shown="refuse pictures that a model does not take as they are (default: they are resized)")
    ] = True
    """whether pictures that a model does not take as they are get resized; else they are refused"""
    degrade: Annotated[_Text, BeforeValidator(read_doses), Flag("KIND=X", repeatable=True, shown="clear pictures only")] = ()
    """ask about damaged pictures too: blur=1,2,4, scale=0.5, contrast=0.4, noise=0.1, jpeg=20; repeatable"""

    @property
    def sampling(self) -> Sampling:
        """How to sample; its seed is the run's."""
        return Sampling(self.max_tokens, self.temperature, self.reasoning, self.seed)

    @property
    def doses(self) -> tuple[Degradation, ...]:
        """The damages that are asked beside the clear picture."""
        return parse_doses(self.degrade)


@dataclass(config=_CONFIG, frozen=True)
class Execution:
    """How it is carried out."""

    out: Annotated[Path | None, Flag("DIR", shown="results/ and a name made of the options")] = None
    """run directory; an unfinished run there is continued"""
    resume: bool = False
    """continue a run, and refuse to begin one"""
    cache: Annotated[str | Path | None, Flag("DIR", shown="the user's cache folder")] = None
    """folder of the reply cache, or off"""
    replay: bool = False
    """answer from the cache alone"""
    concurrency: Annotated[int | Literal["auto"], BeforeValidator(read_concurrency), Flag("N")] = AUTO
    """requests at once: a number, or auto (as many as a provider or server turns out to take; 16 for models in this process)"""
    batch: bool = False
    """ask through the providers' batch services: half the price, within 24 hours"""
    timeout: Annotated[float, Field(gt=0, allow_inf_nan=False), Flag("S")] = 600.0
    """seconds for one request"""
    attempts: Annotated[Int, Field(ge=1), Flag("N")] = ATTEMPTS
    """times a request is tried in all"""
    max_cost: Annotated[float | None, Field(ge=0, allow_inf_nan=False), Flag("USD", shown="no bound")] = None
    """stop when this much is spent"""
    skip_bad: bool = False
    """leave out broken rows and images"""
    ray: Annotated[str | None, Flag("ADDRESS", shown="this process alone")] = None
    """local, or the address of a Ray cluster, whose tasks ask parts of the run"""
    dry_run: bool = False
    """print the plan with estimated tokens and cost, ask nothing"""

    @property
    def cache_folder(self) -> Path | None:
        """Where replies are kept; None where the cache is off."""
        if self.cache == "off":
            return None
        return Path(self.cache) if self.cache is not None else env.cache_dir()


Part = Subject | Conditions | Execution
PARTS: tuple[type[Subject], type[Conditions], type[Execution]] = (Subject, Conditions, Execution)
_P = TypeVar("_P", Subject, Conditions, Execution)


class Option(NamedTuple):
    """One option: its name, the part it belongs to, its default (None is a value like others), help and look on the command line."""

    name: str
    part: type[Part]
    default: object
    help: str
    flag: Flag

    @property
    def spelled(self) -> str:
        """The flag that sets it."""
        return self.flag.name or self.flag.negative or "--" + self.name.replace("_", "-")


def options() -> Iterator[Option]:
    """Every option of a run, in the order in which help shows them; what help says is what stands under each field."""
    said = field_docstrings(Path(__file__))
    for part in PARTS:
        known: Mapping[str, FieldInfo] = vars(part)["__pydantic_fields__"]  # what pydantic keeps of the annotations
        for name, info in known.items():
            yield Option(name, part, info.default, said[name], next((item for item in info.metadata if isinstance(item, Flag)), Flag()))


def as_flag(name: str) -> str:
    """How the command line spells option `name`."""
    return next((option.spelled for option in options() if option.name == name), "--" + name.replace("_", "-"))


def as_argument(name: str) -> str:
    """How Python and a configuration file spell option `name`."""
    return name


@dataclass(config=_CONFIG, frozen=True)
class RunConfig:
    """Everything about one run."""

    subject: Subject
    conditions: Conditions = Field(default_factory=Conditions)
    execution: Execution = Field(default_factory=Execution)

    def __post_init__(self) -> None:
        if len(set(self.subject.models)) < len(self.subject.models):
            raise UserError("--model: the same model is named twice")
        if self.execution.ray is not None:
            _check_ray(self)

    @property
    def captions(self) -> Captioner:
        """Who writes captions, and how: in notation where it serves the readback too, unless another prompt is named."""
        conditions = self.conditions
        shared = conditions.captioner != "dataset" and {Mode.CAPTION, Mode.READBACK} <= set(self.subject.modes)
        return Captioner(conditions.captioner, conditions.caption_prompt or ("notation" if shared else "plain"))

    @classmethod
    def of(cls, given: Mapping[str, object], *, spell: Callable[[str], str] = as_argument) -> RunConfig:
        """Read options by name; what is not given has its default.

        Args:
            given: values as a person wrote them: text, or the types of the fields above.
            spell: how a message names an option.

        Raises:
            UserError: an unknown option, a value of the wrong kind or out of range, or values that contradict each other.
        """
        known = {option.name: option for option in options()}
        for name in given:
            if name not in known:
                near = difflib.get_close_matches(name, known, 1)
                hint = f"; did you mean {spell(near[0])}?" if near else ""
                raise UserError(f"{spell(name)}: there is no such option{hint}")

        def mine(part: type[Part]) -> dict[str, object]:
            return {name: value for name, value in given.items() if known[name].part is part}

        return cls(
            _built(Subject, mine(Subject), spell), _built(Conditions, mine(Conditions), spell), _built(Execution, mine(Execution), spell)
        )

    def options(self) -> dict[str, Any]:
        """Every option whose value is not its default, as JSON data that `of` reads back; credentials in a URL are left out."""
        shown: dict[str, Any] = {}
        for part in (self.subject, self.conditions, self.execution):
            values: Mapping[str, Any] = TypeAdapter(type(part)).dump_python(part, mode="json")
            defaults = {field.name: field.default for field in fields(part)}
            shown |= {name: value for name, value in values.items() if getattr(part, name) != defaults[name]}
        if self.subject.shard:
            shown["shard"] = "{}/{}".format(*self.subject.shard)
        if self.conditions.base_url:
            shown["base_url"] = public_url(self.conditions.base_url)
        shown.pop("headers", None)  # their values may be secrets
        return shown

    def identity(self) -> dict[str, Any]:
        """What must agree for two sessions to be one run, as JSON data. The data directory may move; its content is in the suite's hash."""
        subject, conditions = self.subject, self.conditions
        parts: dict[str, Any] = {
            "models": subject.models,
            "modes": subject.modes,
            "suite": subject.suite,
            "families": subject.families,
            "level": subject.level,
            "limit": subject.limit,
            "shard": subject.shard,
            "captioner": asdict(self.captions),
            "fmt": conditions.format,
            "replicates": conditions.replicates,
            "sampling": asdict(conditions.sampling),
            "base_url": conditions.base_url and public_url(conditions.base_url),
            "resize": conditions.resize,
        }
        if conditions.extra_body:
            parts["extra_body"] = conditions.extra_body
        if conditions.headers:
            parts["headers"] = [header.partition("=")[0] for header in conditions.headers]
        if conditions.degrade:  # so that runs without doses keep the identity they always had
            parts["doses"] = [asdict(dose) for dose in conditions.doses]
        if subject.columns:
            parts["columns"] = subject.columns
        return json.loads(json.dumps(parts))

    def default_out(self) -> Path:
        """The run directory for this configuration, so that the same command continues the same run."""
        return Path("results") / f"{suite_label(self.subject.suite)}-{digest(self.identity())[:10]}"


def _check_ray(config: RunConfig) -> None:
    """Refuse what a run on a Ray cluster cannot keep or must not hand around."""
    subject, conditions, execution = config.subject, config.conditions, config.execution
    refused = {
        "--shard": (subject.shard is not None, "Ray's tasks are shards already"),
        "--batch": (execution.batch, "a provider's batches need no further machine"),
        "--replay": (execution.replay, "the cache is on this machine"),
        "--max-cost": (execution.max_cost is not None, "what a node that dies has spent is not known; bound the shards of a job array"),
        "--header": (bool(conditions.headers), "its value would be in Ray's hands; name the server in a models.toml on every node"),
    }
    for flag, (given, why) in refused.items():
        if given:
            raise UserError(f"{flag} does not go with --ray: {why}")


def public_url(url: str) -> str:
    """`url` without user, password, query and fragment: what may be stored and shown."""
    try:
        parts = urlsplit(url)
    except ValueError:  # no address, as whoever is to ask it will say
        return re.sub(r"//[^/]*@|[?#].*", lambda part: "//" if part[0].startswith("//") else "", url, flags=re.DOTALL)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", ""))


def _built(part: type[_P], values: Mapping[str, object], spell: Callable[[str], str]) -> _P:
    try:
        return part(**values)  # pyright: ignore[reportArgumentType] - pydantic reads what a person wrote
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0])
        raise UserError(f"{spell(name)}: {_wrong(first, values.get(name))}") from error


_EXPECTED: Mapping[str, str] = types.MappingProxyType(
    {
        "int": "expected a whole number",
        "float": "expected a number",
        "finite_number": "expected a finite number",
        "bool": "expected true or false",
        "string": "expected text",
        "path": "expected a path",
        "too_short": "expected at least one",
        "tuple": "expected a list",
    }
)


def _wrong(error: Mapping[str, Any], found: object) -> str:
    """What was expected and what was found, of one of pydantic's errors."""
    kind, context = str(error["type"]), error.get("ctx", {})
    if kind == "value_error":
        return str(context["error"])
    for bound, words in (("greater_than_equal", "at least {ge}"), ("less_than_equal", "at most {le}"), ("greater_than", "more than {gt}")):
        if kind == bound:
            return f"expected {words.format(**{k: format(v, 'g') for k, v in context.items()})}, found {found}"
    if kind in ("enum", "literal_error"):
        return f"expected {str(context['expected']).replace(chr(39), '')}, found {found!r}"
    expected = next((text for name, text in _EXPECTED.items() if kind.startswith(name)), str(error["msg"]))
    return f"{expected}, found {found!r}"


def read_toml(path: Path) -> dict[str, object]:
    """The options in a configuration file; a hyphen in a name is as good as an underscore, `model` and `mode` as their plurals.

    Raises:
        UserError: the file cannot be read or is no TOML.
    """
    import tomllib

    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise UserError(f"{path} is no TOML file ({error})") from error
    names = {"model": "models", "mode": "modes"}
    return {names.get(key, key.replace("-", "_")): value for key, value in data.items()}


def to_toml(shown: Mapping[str, Any]) -> str:
    """Options as the text of a configuration file that `read_toml` reads."""
    import tomli_w

    return tomli_w.dumps({name: value for name, value in shown.items() if value is not None})


def stored_options(options: Mapping[str, Any] | None, where: str) -> Mapping[str, Any]:
    """The options that the run at `where` was made with, as it stores them.

    Raises:
        UserError: an older version wrote it, or another tool.
    """
    if options is None:
        raise UserError(f"{where} does not hold the options of its run: an older version of sightgap, or another tool, wrote it")
    return options
