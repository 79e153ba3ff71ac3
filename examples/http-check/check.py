#!/usr/bin/env python3
"""Exits with 0 if URL answers with 200 and, where CONTAINS is set, with that text."""

import os
import sys
import time
import urllib.error
import urllib.request

url, wanted = os.environ["URL"], os.environ.get("CONTAINS", "")
began = time.monotonic()
try:
    with urllib.request.urlopen(url, timeout=10) as answer:
        text = answer.read().decode(errors="replace")
except urllib.error.HTTPError as error:
    sys.exit(f"{url} answered with {error.code}")
except OSError as error:
    sys.exit(f"{url} did not answer: {error}")
took_ms = round((time.monotonic() - began) * 1000)
with open(os.environ["AGENT_RESULT"], "w") as report:
    print(f"took_ms={took_ms}", file=report)
if wanted not in text:
    sys.exit(f"{url} answered without {wanted!r}")
print(f"{url} answered in {took_ms} ms")
