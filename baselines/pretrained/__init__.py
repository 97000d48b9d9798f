"""Pretrained language models and encoder–decoders, fine-tuned on a task's training split."""
