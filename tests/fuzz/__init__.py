"""Fuzzing: small valid inputs are randomly corrupted and read in a process with limits.

python -m fuzz --minutes 30          (with tests/ on the path; `make fuzz` does)
python -m fuzz --only via --seed 17  one input again, with its traceback

An input is a kind and a seed, nothing else: `kinds.py` builds the valid one, `mutations.py` changes it, `worker.py`
reads it, `driver.py` watches and reports. Right is an answer or a MaskwrightError; wrong is any other exception, a
process that dies, more than SECONDS of computing, more than MEGABYTES of memory.
"""
