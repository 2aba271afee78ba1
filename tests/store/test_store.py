"""The run directory: nothing finished is lost, whatever ends the process or fills the disk."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.degrade import Degradation
from bench.errors import UserError
from bench.files import write_atomically
from bench.models.base import Reply, Stop, Usage
from bench.outcome import Outcome, Verdict
from bench.store.reader import LineFile
from bench.store.record import Failure, Record, SentImage, encode_line, reply_from_json, reply_to_json
from bench.store.writer import Log, Store
from tests.conftest import ROOT

values = st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3), max_leaves=6)
rows = st.lists(st.dictionaries(st.text(max_size=5), values, max_size=3), min_size=1, max_size=8)

LEAST: dict[str, Any] = {"v": 1, "identity": {}, "suite": {"name": "mini"}, "models": []}
"""What a reader needs of run.json."""


@settings(max_examples=60, deadline=None)
@given(rows=rows, cut=st.floats(0, 1))
def test_a_log_cut_anywhere_keeps_every_whole_line(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, object]], cut: float
) -> None:
    path = tmp_path_factory.mktemp("log") / "trials.jsonl"
    log = Log(path)
    for row in rows:
        log.append(encode_line(row))
    log.close()
    whole = path.read_bytes()
    left = whole[: round(cut * len(whole))]
    path.write_bytes(left)
    Log(path).close()
    ends = [i for i, byte in enumerate(whole) if byte == ord("\n")]
    complete = sum(end <= len(left) for end in ends)  # a line without its line break is whole
    assert [data for _, data in LineFile.read(path).lines()] == rows[:complete]
    log = Log(path)
    log.append(encode_line({"after": 1}))
    log.close()
    assert [data for _, data in LineFile.read(path).lines()] == [*rows[:complete], {"after": 1}]


def test_a_very_long_torn_line_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b'{"a": 1}\n' + b'{"b": "' + b"x" * 300_000)
    Log(path).close()
    assert path.read_bytes() == b'{"a": 1}\n'


def test_half_a_surrogate_pair_is_stored_and_read_back(tmp_path: Path) -> None:
    log = Log(tmp_path / "log")
    log.append(encode_line({"text": "\ud83d and 真"}))
    log.close()
    assert [data for _, data in LineFile.read(tmp_path / "log").lines()] == [{"text": "\ud83d and 真"}]


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
sys.path.insert(0, {root!r})
from bench.errors import UserError
from bench.store.record import encode_line
from bench.store.writer import Log
log = Log(Path(sys.argv[1]))
try:
    for index in range(1000):
        log.append(encode_line({{"index": index, "pad": "y" * 90}}))
except UserError as error:
    print(error)
    sys.exit(error.exit_code)
"""


def test_a_full_disk_is_one_clear_line_and_loses_nothing(tmp_path: Path) -> None:
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    path = tmp_path / "trials.jsonl"
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK.format(root=str(ROOT)), str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2, done.stderr
    assert "make room and run the same command again" in done.stdout
    stored = [data["index"] for _, data in LineFile.read(path).lines()]
    assert stored == list(range(len(stored)))
    assert len(stored) > 30
    assert path.read_bytes().endswith(b"\n")


def test_another_configuration_is_refused_and_named(tmp_path: Path) -> None:
    Store(tmp_path / "run", {**LEAST, "identity": {"seed": 0, "fmt": "mcq"}}, {"seed": 0, "fmt": "mcq"}).close()
    with pytest.raises(UserError, match=r"seed \(0 there, 1 now\)") as caught:
        Store(tmp_path / "run", {}, {"seed": 1, "fmt": "mcq"})
    assert "fmt" not in str(caught.value)
    Store(tmp_path / "run", {**LEAST, "identity": {"seed": 0, "fmt": "mcq"}}, {"seed": 0, "fmt": "mcq"}).close()


def test_two_writers_are_refused(tmp_path: Path) -> None:
    first = Store(tmp_path / "run", LEAST, {})
    with pytest.raises(UserError, match="another process"):
        Store(tmp_path / "run", LEAST, {})
    first.close()
    Store(tmp_path / "run", LEAST, {}).close()


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(UserError, match="not a run directory"):
        Store(tmp_path, {"identity": {}}, {})
    with pytest.raises(UserError, match="--resume: there is no run"):
        Store(tmp_path / "none", {"identity": {}}, {}, must_exist=True)


def test_a_broken_line_in_the_middle_names_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "trials.jsonl"
    path.write_text('{"a": 1}\n{"b": \n{"c": 3}\n')
    with pytest.raises(UserError, match=r"trials\.jsonl line 2"):
        list(LineFile.read(path).lines())


def test_an_atomic_write_keeps_the_old_file_when_it_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.json"
    write_atomically(path, json.dumps({"v": 1}))

    def full(self: Path, *arguments: object, **more: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UserError, match="No space left"):
        write_atomically(path, "{}")
    assert path.read_text(encoding="utf-8") == json.dumps({"v": 1})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run.json"]


texts = st.text(st.characters(exclude_categories=()), max_size=30)
numbers = st.integers(0, 10**9)
replies = st.builds(
    Reply,
    text=texts,
    stop=st.sampled_from(Stop),
    usage=st.builds(Usage, numbers, numbers, numbers, numbers, numbers, st.none() | st.floats(0, 1e6)),
    latency_s=st.floats(0, 1e9),
    request_id=st.none() | texts,
    model=st.none() | texts,
    cached=st.booleans(),
    sent_px=st.none() | st.tuples(numbers, numbers),
    why=st.none() | texts,
)
records = st.builds(
    Record,
    **dict.fromkeys(("key", "puzzle", "family", "suite", "model", "mode", "format", "prompt_sha", "split", "version"), texts),
    **{name: st.none() | texts for name in ("captioner", "caption_prompt", "caption_key")},
    options=st.lists(texts).map(tuple),
    image=st.none() | st.builds(SentImage, texts, st.tuples(numbers, numbers), st.booleans(), st.lists(texts).map(tuple)),
    reply=st.none() | replies,
    verdict=st.builds(Verdict, st.sampled_from(Outcome), st.none() | texts, texts, texts),
    error=st.none() | st.builds(Failure, texts, texts, st.none() | numbers),
    level=st.none() | st.integers(1, 9),
    replicate=numbers,
    sufficient=st.booleans(),
    dose=st.none() | st.builds(Degradation, st.just("blur"), st.floats(0.1, 9.0)),
    extra=st.dictionaries(st.text("xyz", min_size=1), values, max_size=1),
)


@settings(max_examples=150, deadline=None)
@given(record=records, reply=replies)
def test_a_line_holds_the_record_and_the_cache_the_reply(record: Record, reply: Reply) -> None:
    line = record.to_line()
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert json.loads(line) == json.loads(json.dumps(record.to_json()))
    assert list(json.loads(line)) == list(record.to_json())
    assert Record.from_json(json.loads(line)) == record
    assert reply_from_json(json.loads(reply_to_json(reply))) == reply
