#!/usr/bin/env python3
"""Stands in for a model: its answer and its price follow from the prompt alone."""

import json
import sys

prompt = sys.stdin.read()
words = prompt.split()
answer = {"text": f"{len(words)} words of notes.", "tokens": len(words) * 2}
answer["cost_usd"] = round(answer["tokens"] * 0.001, 4)
print(json.dumps(answer))
