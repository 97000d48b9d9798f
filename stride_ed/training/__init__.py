"""STRIDE-ED's training: supervised fine-tuning, then PPO with rewards for format and labels."""
