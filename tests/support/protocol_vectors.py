"""Writes protocol/vectors/*.json: `python tests/support/protocol_vectors.py`. The same bytes every time.
It never reads the clock or a random source, so that a changed file means a changed protocol."""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a script, `support` is not importable otherwise

from support import protocol_samples as s
from support import protocol_vectors_contract as contract
from support import protocol_vectors_log as under
from support import protocol_vectors_messages as messages
from support import settlement_vectors as settled
from support import sum_vectors as sums
from support.vector_case import Case

FOLDER = Path(__file__).resolve().parents[2] / "protocol" / "vectors"
ABOUT = (
    "Test vectors of the Tallystick protocol. `hex` is the input; `expect` is ok or the code of the refusal, `field` "
    "the place it names; `beyond_cddl` marks what the CDDL alone cannot see; `given` is further input, `gives` what "
    "follows."
)


def all_files() -> dict[str, str]:
    """File name to exact contents."""
    cases: dict[str, list[Case]] = {
        "cbor": under.cbor_items(),
        "hostile": under.hostile(),
        "envelope": under.envelopes(),
        "keys": under.keys() + under.ids(),
        "claim": under.claims(),
        "log": under.log(),
        "upload": messages.uploads(),
        "batch": messages.batches(),
        "part": messages.parts(),
        "answers": messages.answers(),
        "hello": messages.hellos(),
        "records": messages.records(),
        "enrol": messages.enrolments(),
        "settlement": settled.trees() + settled.leaves() + settled.settlements(),
        "settled": settled.covers() + settled.counters() + settled.uses() + settled.statements(),
        "evidence": settled.evidence(),
        "contract": contract.contracts(),
        "pool": sums.pools(),
        "cost": sums.costs(),
    }
    return {f"{name}.json": _file(items) for name, items in cases.items()}


def _file(cases: list[Case]) -> str:
    keys = {name: signer.spki.hex() for name, signer in s.SIGNERS.items()}
    text = {"about": ABOUT, "keys": keys, "cases": [case.as_json() for case in cases]}
    return json.dumps(text, indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, text in all_files().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
