"""The small Qwen2.5-VL: its shape, its tokenizer, and how it is taught before GRPO."""
