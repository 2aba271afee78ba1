"""Training: rewards, data, GRPO, the warm start and the small architecture."""
