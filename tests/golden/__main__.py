"""Write the files of the examples that have none yet."""

from tests.golden import EXAMPLES

for example in EXAMPLES:
    if not example.file.exists():
        example.file.write_bytes(example.write())
        example.file.with_suffix(".txt").write_text(example.describe(), "utf-8")
