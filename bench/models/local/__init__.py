"""Models in this process: checkpoints by transformers or vLLM."""
