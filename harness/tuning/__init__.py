"""Fine-tuning of language models: bases found and kept, rows of tokens, one loop, exact resume."""
