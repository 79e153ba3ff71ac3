#!/usr/bin/env python3
"""Asks the model to sum up notes.txt, writes summary.md, and reports what that cost."""

import json
import os
import subprocess
import sys

with open("notes.txt") as notes:
    prompt = f"Sum up:\n{notes.read()}"
asked = subprocess.run(
    [os.environ["MODEL"]], input=prompt, capture_output=True, text=True, check=False
)
if asked.returncode != 0:
    sys.exit(f"the model failed: {asked.stderr.strip()}")
answer = json.loads(asked.stdout)
with open(os.environ["AGENT_RESULT"], "w") as report:
    facts = {"cost_usd": answer["cost_usd"], "tokens": answer["tokens"]}
    json.dump({"summary": answer["text"], **facts}, report)
if answer["cost_usd"] > float(os.environ["BUDGET_USD"]):
    print(f"it cost {answer['cost_usd']} USD, more than allowed", file=sys.stderr)
    sys.exit(12)
with open("summary.md", "w") as summary:
    print(answer["text"], file=summary)
print(answer["text"])
