"""Check what ruff does not: sizes of files and functions, and words that the project has retired.

    python scripts/check_style.py             # exit 1 and a line for each finding
    python scripts/check_style.py --update    # lower the counts of retired words to what they are now

Retired words are names and phrases of the first version that have a standard term. Their counts in
scripts/retired_words.json may fall and never rise.
"""

import ast
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
COUNTS = Path(__file__).with_name("retired_words.json")
MOST_FILE, MOST_FUNCTION = 500, 60  # lines; docstrings of functions are not counted


def sizes() -> Iterator[str]:
    """A line for each file and each function of the package that is too long."""
    for path in sorted((ROOT / "src").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        name = path.relative_to(ROOT)
        if (lines := text.count("\n")) > MOST_FILE:
            yield f"{name}: {lines} lines, the most is {MOST_FILE}"
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (length := _length(node)) > MOST_FUNCTION:
                yield f"{name}:{node.lineno}: {node.name} has {length} lines, the most is {MOST_FUNCTION}"


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    document = ast.get_docstring(node, clean=False)
    return (node.end_lineno or node.lineno) - node.lineno + 1 - (document.count("\n") + 1 if document else 0)


def counts(words: list[str]) -> Counter[str]:
    """How often each word stands in the package and in the documents that people write."""
    pattern = re.compile(r"(?<![a-z])(" + "|".join(map(re.escape, words)) + r")(?![a-z])", re.IGNORECASE)
    places = [*(ROOT / "src").rglob("*.py"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")]
    found: Counter[str] = Counter()
    for place in places:
        if place.name != "CHANGELOG.md":
            found.update(word.lower() for word in pattern.findall(place.read_text(encoding="utf-8")))
    return found


def main() -> int:
    """Print the findings; 1 where there is one."""
    allowed: dict[str, int] = json.loads(COUNTS.read_text(encoding="utf-8"))
    now = counts(list(allowed))
    findings = list(sizes())
    if "--update" in sys.argv:
        lowered = {word: min(most, now[word]) for word, most in allowed.items()}
        COUNTS.write_text(json.dumps(lowered, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    else:
        findings += [
            f"{word!r} stands {now[word]} times, {most} are allowed: use the standard term"
            for word, most in allowed.items()
            if now[word] > most
        ]
    sys.stdout.writelines(f"{finding}\n" for finding in findings)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
