"""A pool's hour on PostgreSQL: taken, closed, corrected and proved as on SQLite."""

from support import postgres
from support.pools import GRID, open_community, proof_of
from tallystick_cloud.parties.store import ids_by_name
from tallystick_cloud.settlement.erase import erase_payer
from tallystick_protocol.verify.pool import verify_pool


def test_the_worked_hour_on_postgresql(postgres_server: str) -> None:
    with postgres.database(postgres_server) as url:
        cer = open_community(url)
        cer.upload()
        cer.prices()
        cer.close()
        cer.upload(GRID.replace(",5000,", ",300,"), "corrected")
        cer.close()
        assert cer.balances()["receivable", "GSE"] == 8_300 * 130_000
        assert cer.close().again
        proof, policy = proof_of(cer, "Farm")
        assert verify_pool(proof.encode(), policy).verdict == "valid"
        assert cer.books.audit() == []
        anna = cer.books.database.read_now(ids_by_name, "cer")["Anna"]
        erased = cer.books.database.write_now(erase_payer, "cer", anna, cer.now_ms)
        assert (erased.intervals, erased.grid_rows) == (2, 1)  # of two closes
        proof, policy = proof_of(cer, "Farm")
        assert verify_pool(proof.encode(), policy).verdict == "valid"
        cer.books.database.close()
