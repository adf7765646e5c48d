"""The Python originals' edges for a folder: pillow_edges.py FROM TO COMMON.

For each picture in FROM, TO gets a file of its name, from both forms of the
rule in bench/python/common.py (whose folder is COMMON); none if Pillow refuses.
Exits 1 if the two forms differ.
"""

import sys
import warnings
from pathlib import Path


def try_edges(edges, source, target):
    try:
        edges(source, target)
        return target.read_bytes()
    except Exception as error:  # whatever Pillow raises is a refusal
        target.unlink(missing_ok=True)
        return f"{type(error).__name__}: {error}".encode()


def main():
    source_folder, target_folder = Path(sys.argv[1]), Path(sys.argv[2])
    sys.path.insert(0, sys.argv[3])
    from common import edges_numpy, edges_plain

    warnings.simplefilter("ignore")
    target_folder.mkdir(parents=True, exist_ok=True)
    differ = 0
    for source in sorted(source_folder.glob("*.jpg")):
        target = target_folder / source.name
        with_numpy = try_edges(edges_numpy, source, target)
        if try_edges(edges_plain, source, target) != with_numpy:
            print(f"FAIL {source.name}: the two Python forms differ")
            differ += 1
    sys.exit(differ > 0)


if __name__ == "__main__":
    main()
