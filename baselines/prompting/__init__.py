"""Prompting baselines: the same language model, asked in another way.

    two-stage:MODEL         first for the speaker's emotion, then for the reply with it named
    coe:MODEL[,VARIANT]     chain of empathy: reasoning in a psychotherapy's terms, then the reply

MODEL is any specification of a language model (smollm2, hf:…, vllm:…, openai:…, lm-eval:…). The
task's own prompt stays as it is; each method adds its words to it. Those words have a version and a
hash, which enter the header's generation block under "prompting".
"""
