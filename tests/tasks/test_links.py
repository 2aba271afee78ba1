"""Links in a data directory: those that stay inside are followed, those that lead out are refused, of every kind of file. Pipes too."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.errors import BadDataError, UserError
from tasks import links
from tasks.public.load import load_public
from tasks.suites import Suite, SuiteSpec, load_suite
from tests.tasks.own import charts, png, write_lines
from tests.tasks.test_custom import as_saved
from tests.tasks.test_public import clock_row


def loaded(folder: Path) -> Suite:
    return load_suite(SuiteSpec.parse(f"{folder}/"))


def made(folder: Path) -> Path:
    write_lines(folder / "rows.jsonl", charts(folder))
    return folder


def outside(path: Path) -> None:
    """Move what lies at `path` out of its folder, and leave a link."""
    path.symlink_to(path.rename(path.parents[2] / f"outside {path.name}"))


def inside(path: Path) -> None:
    path.symlink_to(path.rename(path.with_name(f"inside {path.name}")).name)


@pytest.mark.parametrize("name", ["pics/1.png", "pics"])
def test_a_link_that_leads_out_is_refused_and_one_that_stays_is_followed(tmp_path: Path, name: str) -> None:
    for folder, move in ((tmp_path / "a" / "out", outside), (tmp_path / "a" / "in", inside)):
        made(folder)
        move(folder / name)
    assert len(loaded(tmp_path / "a" / "in").puzzles) == 4
    with pytest.raises(UserError, match="leads out of the data directory"):
        loaded(tmp_path / "a" / "out")


def test_a_picture_that_is_a_loop_of_links_is_named(tmp_path: Path) -> None:
    folder = made(tmp_path / "a")
    (folder / "pics" / "1.png").unlink()
    (folder / "pics" / "1.png").symlink_to("1.png")
    with pytest.raises(UserError, match=r"rows\.jsonl line 2.*1\.png"):
        loaded(folder)


def _rows(folder: Path) -> None:
    made(folder)
    outside(folder / "rows.jsonl")


def _config(folder: Path) -> None:
    made(folder)
    (folder / "suite.toml").write_text('data = "rows.jsonl"')
    outside(folder / "suite.toml")


def _named(folder: Path) -> None:
    made(folder)
    (folder / "suite.toml").write_text('data = "rows.jsonl"')
    outside(folder / "rows.jsonl")


@pytest.mark.parametrize("make", [_rows, _config, _named])
def test_a_table_or_configuration_outside_is_refused(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "a" / "set")
    with pytest.raises(UserError, match="leads out of the data directory"):
        loaded(tmp_path / "a" / "set")


def test_a_snapshot_of_the_hubs_cache_is_made_of_links(tmp_path: Path) -> None:
    folder = made(tmp_path / "datasets--o--n" / "snapshots" / "abc")
    blobs = tmp_path / "datasets--o--n" / "blobs"
    blobs.mkdir()
    for number, path in enumerate([folder / "rows.jsonl", *(folder / "pics").iterdir()]):
        path.symlink_to(path.rename(blobs / str(number)))
    assert len(loaded(folder).puzzles) == 4


def test_a_public_set_does_not_lead_out(tmp_path: Path) -> None:
    (tmp_path / "a" / "data" / "images").mkdir(parents=True)
    write_lines(tmp_path / "a" / "data" / "clock.json", [clock_row(1, image="images/1.png")])
    (tmp_path / "secret.png").write_bytes(png(1, 60))
    (tmp_path / "a" / "data" / "images" / "1.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(UserError, match="leads out of the data directory"):
        load_public("algopuzzlevqa", data_dir=tmp_path / "a")


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.timeout(30)
@pytest.mark.parametrize("name", ["rows.jsonl", "pics/1.png"])
def test_nobody_waits_for_a_pipe(tmp_path: Path, name: str) -> None:
    pipe(made(tmp_path / "a") / name)
    with pytest.raises(UserError, match=r"is no file|not a file"):
        loaded(tmp_path / "a")
    with pytest.raises(UserError, match=r"is no file|not a file"):
        load_suite(SuiteSpec.parse(str(tmp_path / "a" / "rows.jsonl")))


@pytest.mark.timeout(30)
def test_nobody_waits_for_a_pipe_in_what_datasets_wrote(tmp_path: Path) -> None:
    saved = as_saved(tmp_path)
    pipe(saved / "eval" / "dataset_info.json")
    with pytest.raises(UserError, match="is no file"):
        loaded(saved)


@pytest.mark.timeout(30)
def test_nobody_waits_for_a_pipe_in_a_public_set(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    os.mkfifo(tmp_path / "data" / "clock.json")
    with pytest.raises(UserError):
        load_public("algopuzzlevqa", data_dir=tmp_path, families=["clock"])


PLACES = ("file", "folder", "folder/file", "folder/deep/file", "absent", "folder/absent", "pipe", "../outside", "folder/../../outside",
          "in", "in/file", "loop", "broken", "out", "out/file", "folder/out", "folder/in", "folder/deep/in/file")  # fmt: skip


def never(path: Path, folder: Path) -> bool:
    del path, folder
    return False


@pytest.mark.parametrize("through", [False, True], ids=["folder", "link to it"])
def test_the_short_look_says_what_the_long_one_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, through: bool) -> None:
    folder = tmp_path / "set"
    (folder / "folder" / "deep").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    for name in ("file", "folder/file", "folder/deep/file", "../outside/file"):
        (folder / name).touch()
    os.mkfifo(folder / "pipe")
    for name, target in {"in": "folder", "loop": "loop", "broken": "nowhere", "out": "../outside", "folder/out": "../../outside/file",
                         "folder/in": "file", "folder/deep/in": ".."}.items():  # fmt: skip
        (folder / name).symlink_to(target)
    if through:
        (tmp_path / "link").symlink_to("set")
        folder = tmp_path / "link"

    def refused(place: str) -> str | None:
        try:
            links.refuse_traps(folder / place, folder)
        except BadDataError as error:
            return str(error)
        return None

    quick = {place: refused(place) for place in PLACES}
    monkeypatch.setattr(links, "_plain", never)
    assert quick == {place: refused(place) for place in PLACES}
    assert [place for place, said in quick.items() if said] == [
        "pipe", "../outside", "folder/../../outside", "out", "out/file", "folder/out"
    ]  # fmt: skip
