"""Providers from outside: registered by hand, or offered by an installed package that nothing imports before it is asked for."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from bench.errors import UserError
from bench.image import ImageLimits
from bench.models import registry
from bench.models.base import Model, ModelOptions, Reply, Request, Stop, Usage
from bench.models.registry import cost, register, resolve, split
from bench.plugins import offered

OPTIONS = ModelOptions()


class Echo:
    """A provider in a dozen lines."""

    provider = "echo"
    simulated = False
    limits = ImageLimits()

    def __init__(self, name: str, model_id: str, options: ModelOptions) -> None:
        self.name, self.model_id, self.options = name, model_id, options

    def payload(self, request: Request) -> Mapping[str, Any]:
        return {"model": self.model_id, "text": request.text}

    async def ask(self, request: Request) -> Reply:
        return Reply(request.text, Stop.END, Usage(), 0.0)

    async def close(self) -> None:
        return None


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(registry, "_registered", {})
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith("sightgap_test_"):
            del sys.modules[name]


def installed(folder: Path, monkeypatch: pytest.MonkeyPatch, entries: str, package: str = "acme-models", **modules: str) -> None:
    """Lay down what an installed package leaves behind: its modules, and its metadata with `entries`."""
    metadata = folder / f"{package.replace('-', '_')}-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[sightgap.models]\n{entries}\n")
    for name, text in modules.items():
        (folder / f"{name}.py").write_text(text)
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])


PLUGIN = "from tests.models.test_plugins import Echo\n\n\ndef make(name, model_id, options):\n    return Echo(name, model_id, options)\n"


def refused(name: str) -> str:
    with pytest.raises(UserError) as caught:
        resolve(name, OPTIONS)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_package_that_is_installed_meanwhile_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a notebook: what packages offer is kept, until something is put into a folder that they are imported from."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert "late" not in offered("sightgap.models")
    installed(tmp_path, monkeypatch, "late = sightgap_test_late:make", sightgap_test_late=PLUGIN)
    assert "late" in offered("sightgap.models")
    assert resolve("late/one", OPTIONS).model_id == "one"


def test_a_registered_provider_is_asked_by_name() -> None:
    register("echo", Echo)
    model: Model = resolve("echo/any/id", OPTIONS)
    assert (model.name, model.model_id, model.provider) == ("echo/any/id", "any/id", "echo")
    assert split("echo/x") == ("echo", "x")
    assert cost("echo/x", Usage(10, 10), OPTIONS) is None, "what a plug-in's model costs is not known here"


def test_a_name_that_is_taken_is_refused_and_the_same_factory_again_is_not() -> None:
    register("echo", Echo)
    register("echo", Echo)
    for taken in ("openai", "anthropic", "sim", "hf"):
        with pytest.raises(UserError, match=f"{taken!r} is taken"):
            register(taken, Echo)
    with pytest.raises(UserError, match="'echo' is taken"):
        register("echo", lambda name, model_id, options: Echo(name, model_id, options))


@pytest.mark.parametrize("name", ["", "a/b", "Upper", "two words", "-x"])
def test_a_name_that_could_not_be_written_is_refused(name: str) -> None:
    with pytest.raises(UserError, match="small letters"):
        register(name, Echo)


def test_an_installed_package_is_found_and_imported_only_when_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(tmp_path, monkeypatch, "acme = sightgap_test_good:make", sightgap_test_good=PLUGIN)
    resolve("sim/p=1,r=1", OPTIONS)
    assert "acme" in refused("acne/x"), "an unknown provider is told what there is"
    assert "sightgap_test_good" not in sys.modules
    assert resolve("acme/x", OPTIONS).model_id == "x"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import no_such_package_at_all\n", "ModuleNotFoundError: No module named 'no_such_package_at_all'"),
        ("1 / 0\n", "ZeroDivisionError"),
        ("def make(:\n", "SyntaxError"),
        ("", "AttributeError"),
        ("raise RuntimeError('two\\nlines')\n", "RuntimeError: two lines"),
    ],
)
def test_a_plug_in_that_cannot_be_imported_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, said: str) -> None:
    installed(tmp_path, monkeypatch, "acme = sightgap_test_bad:make", sightgap_test_bad=text)
    message = refused("acme/x")
    assert said in message
    assert "acme-models" in message


def test_what_is_no_factory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(tmp_path, monkeypatch, "acme = sightgap_test_no:make", sightgap_test_no="make = 3\n")
    assert "factory" in refused("acme/x")


def test_two_packages_that_offer_one_name_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(tmp_path / "a", monkeypatch, "acme = sightgap_test_a:make", sightgap_test_a=PLUGIN)
    installed(tmp_path / "b", monkeypatch, "acme = sightgap_test_b:make", package="other-models", sightgap_test_b=PLUGIN)
    message = refused("acme/x")
    assert "acme-models" in message
    assert "other-models" in message


def test_a_package_cannot_take_the_place_of_a_provider_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(tmp_path, monkeypatch, "sim = sightgap_test_sim:make", sightgap_test_sim=PLUGIN)
    assert resolve("sim/p=1,r=1", OPTIONS).simulated
    assert "sightgap_test_sim" not in sys.modules
