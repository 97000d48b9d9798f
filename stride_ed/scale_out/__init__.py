"""Beyond one machine's memory: STRIDE-ED's training for verl, and launch files for accelerate."""
