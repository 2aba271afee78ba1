"""Environment variables: the only module that reads them.

Nothing is kept: each function looks when it is called, so a changed variable counts. Libraries read variables of their own beside these
(proxies and certificates; the AWS and Google credential chains; the Hugging Face hub).
"""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

ANTHROPIC_KEY = "ANTHROPIC_API_KEY"
ANTHROPIC_TOKEN = "ANTHROPIC_AUTH_TOKEN"
ANTHROPIC_URL = "ANTHROPIC_BASE_URL"
OPENAI_KEY = "OPENAI_API_KEY"
OPENAI_URL = "OPENAI_BASE_URL"
SERVER_URLS = {
    "anthropic": ANTHROPIC_URL,
    "bedrock": "ANTHROPIC_BEDROCK_BASE_URL",
    "vertex": "ANTHROPIC_VERTEX_BASE_URL",
    "openai": OPENAI_URL,
}
"""By provider: the variable that names a server to ask instead of the provider's own (the SDKs' own names)."""

BEDROCK_KEY = "AWS_BEARER_TOKEN_BEDROCK"
AWS_REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")
VERTEX_REGION = "CLOUD_ML_REGION"
VERTEX_PROJECTS = ("ANTHROPIC_VERTEX_PROJECT_ID", "GOOGLE_CLOUD_PROJECT")
CACHE = "SIGHTGAP_CACHE"
MODELS = "SIGHTGAP_MODELS"
CUDA_DEVICES = "CUDA_VISIBLE_DEVICES"
_RANK, _PROCESSES = "RANK", "WORLD_SIZE"
_GROUP = frozenset(
    {_RANK, "LOCAL_RANK", "GROUP_RANK", "ROLE_RANK", _PROCESSES, "LOCAL_WORLD_SIZE", "GROUP_WORLD_SIZE", "ROLE_WORLD_SIZE", "ROLE_NAME"}
    | {"MASTER_ADDR", "MASTER_PORT"}
)
ZERO_STAGE, ZERO_SAVES = "ACCELERATE_DEEPSPEED_ZERO_STAGE", "ACCELERATE_DEEPSPEED_ZERO3_SAVE_16BIT_MODEL"
FSDP_VERSION = "FSDP_VERSION"
_SHARDING = {"deepspeed": "ACCELERATE_USE_DEEPSPEED", "fsdp": "ACCELERATE_USE_FSDP"}
_LAUNCHERS = ("ACCELERATE_", "FSDP_", "TORCHELASTIC_")

_SECRETS = (
    ANTHROPIC_KEY,
    ANTHROPIC_TOKEN,
    OPENAI_KEY,
    BEDROCK_KEY,
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "HF_TOKEN",
)


def authorities() -> tuple[str | None, str | None]:
    """File and folder of the certificate authorities to trust instead of the system's."""
    return read("SSL_CERT_FILE"), read("SSL_CERT_DIR")


def read(*names: str) -> str | None:
    """The value of the first of `names` that is set and not blank, without surrounding space."""
    for name in names:
        value = os.environ.get(name, "").strip()
        if value:
            return value
    return None


def secrets(*more: str) -> frozenset[str]:
    """The values of all variables that hold a key or token, and of those named by `more`: what no message, record or report may contain.

    Placeholders for servers without keys ("EMPTY", "none") are no secrets: what is shorter than eight characters is left out.
    """
    return frozenset(value for name in (*_SECRETS, *more) if (value := read(name)) is not None and len(value) >= 8)


def set_default(name: str, value: str) -> None:
    """Set a variable for libraries that are configured by no other means, unless the person has set it."""
    os.environ.setdefault(name, value)


def show_devices(ranks: range) -> None:
    """Leave this process only these of the CUDA devices that it can see. To be called before CUDA is first used."""
    seen = read(CUDA_DEVICES)
    devices = seen.split(",") if seen is not None else None
    os.environ[CUDA_DEVICES] = ",".join(str(rank) if devices is None else devices[rank] for rank in ranks)


def processes() -> int:
    """How many processes a launcher (torchrun, accelerate) has started together, this one among them; 1 without a launcher."""
    return int(read(_PROCESSES) or 1)


def sharding() -> str:
    """How the launcher spreads weights over its processes: "deepspeed", "fsdp", or "" where each process holds them all."""
    return next((name for name, variable in _SHARDING.items() if (read(variable) or "").lower() == "true"), "")


def on_cpu() -> bool:
    """Whether the launcher was told to leave GPUs alone."""
    return (read("ACCELERATE_USE_CPU") or "").lower() == "true"


def first_process() -> bool:
    """Whether this is the first of those processes, which speaks for all."""
    return read(_RANK) in (None, "0")


def leave_group() -> None:
    """Forget the launcher, so that what is started from here on stands alone. For a process that works with the others no more."""
    for name in [name for name in os.environ if name in _GROUP or name.startswith(_LAUNCHERS)]:
        del os.environ[name]


def cache_dir() -> Path:
    """Where replies are cached by default: `SIGHTGAP_CACHE`, or the user's cache folder."""
    chosen = read(CACHE)
    return Path(chosen).expanduser() if chosen is not None else platformdirs.user_cache_path("sightgap")


def models_file() -> Path | None:
    """The person's own table of models and servers: `SIGHTGAP_MODELS`, or `models.toml` in the user's configuration folder."""
    chosen = read(MODELS)
    if chosen is not None:
        return Path(chosen).expanduser()
    usual = platformdirs.user_config_path("sightgap") / "models.toml"
    return usual if usual.is_file() else None
