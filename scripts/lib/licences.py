#!/usr/bin/env python3
"""Checks the licences of everything that is compiled in.

    cargo metadata --locked --format-version 1 | licences.py

Reads cargo's metadata from standard input. A package passes where its licence expression can be met with the
licences below alone; exit 1 names every one that can't.
"""

import json
import re
import sys

ALLOWED = {
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-1-Clause",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
}

# Packages without an expression whose licence file was read: name -> what it is.
READ_BY_HAND: dict[str, str] = {}


def tokens(expression: str) -> list[str]:
    # The old form "MIT/Apache-2.0" means OR.
    return re.findall(r"\(|\)|[^\s()]+", expression.replace("/", " OR "))


def acceptable(expression: str) -> bool:
    """Whether the SPDX expression can be met with ALLOWED; AND binds tighter than OR."""
    rest = tokens(expression)

    def any_of() -> bool:
        met = all_of()
        while rest and rest[0] == "OR":
            rest.pop(0)
            met = all_of() or met
        return met

    def all_of() -> bool:
        met = one()
        while rest and rest[0] == "AND":
            rest.pop(0)
            met = one() and met
        return met

    def one() -> bool:
        word = rest.pop(0)
        if word == "(":
            met = any_of()
            rest.pop(0)
            return met
        if rest and rest[0] == "WITH":
            rest.pop(0)
            word = f"{word} WITH {rest.pop(0)}"
        return word in ALLOWED

    return any_of()


def licence_of(package: dict) -> str | None:
    return package.get("license") or READ_BY_HAND.get(package["name"])


def main() -> int:
    if len(sys.argv) > 1:
        print(__doc__)
        return 0 if sys.argv[1] in ("-h", "--help") else 2
    packages = json.load(sys.stdin)["packages"]
    bad = [
        (p["name"], p["version"], licence_of(p))
        for p in packages
        if not (licence := licence_of(p)) or not acceptable(licence)
    ]
    for name, version, licence in sorted(bad):
        print(f"   {name} {version}: {licence or 'no licence named'}", file=sys.stderr)
    print(f"   {len(packages)} packages, {len(bad)} with a licence that is not allowed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
