"""A language of 216 sentences, for tests that train a translator."""

import itertools
from pathlib import Path

WORDS = tuple(
    dict(pair.split(":") for pair in words.split())
    for words in (
        "small:kleine old:alte red:rote young:junge sad:arme big:dicke",
        "cat:Katze horse:Stute mouse:Maus duck:Ente cow:Kuh bee:Biene",
        "sleeps:schläft runs:läuft sings:singt waits:wartet eats:frisst swims:schwimmt",
    )
)

PAIRS = [
    (f"The {a} {n} {v}.", f"Die {WORDS[0][a]} {WORDS[1][n]} {WORDS[2][v]}.")
    for a, n, v in itertools.product(*WORDS)
]

OPTIONS = {
    "tokens": "words",
    "embedding": 32,
    "units": 32,
    "dropout": 0.1,
    "buckets": 1,
    "batch": 16,
    "learning_rate": 0.01,
    "patience": 99,
}
"""Of a recipe that learns something of it."""


def written(path: Path, pairs=PAIRS) -> Path:
    path.write_text("".join(f"{source}\t{target}\n" for source, target in pairs), "utf-8")
    return path


def arguments(**more: object) -> list[str]:
    """OPTIONS, and more, as the command line has them."""
    given = {"preset": "small", **OPTIONS, **more}
    return [
        part
        for name, value in given.items()
        for part in (f"--{name.replace('_', '-')}", str(value))
    ]
