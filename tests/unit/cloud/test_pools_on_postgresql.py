"""A pool's hour on PostgreSQL: taken, closed, corrected and proved as on SQLite."""

from support import postgres
from support.pool_lives import DORA, EVERYBODY, agree, everybody
from support.pools import GRID, POOL, PRICES, open_community, proof_of, toml
from tallystick_cloud.parties.store import ids_by_name
from tallystick_cloud.settlement.erase import erase_payer
from tallystick_protocol.verify.pool import verify_pool


def test_a_year_with_a_move_on_postgresql(postgres_server: str) -> None:
    """Carla moves out after January, Dora in; the year pays what the months left, and both check it."""
    text = toml(POOL.replace('series = "NORD"', 'series = "NORD"\ntrue_up = "year"\nadvance = "80 %"'))
    with postgres.database(postgres_server) as url:
        cer = open_community(url, text, more=DORA)
        for month in ("2026-01", "2026-02"):
            cer.upload(GRID.replace("2026-01", month))
            cer.prices(PRICES.replace("2026-01", month))
            if month == "2026-01":
                cer.close(month)
                agree(cer, text.replace("Carla", "Dora").replace("from = 2026-01-01", "from = 2026-02-01"))
        cer.close("2026-02")
        cer.now_ms *= 2
        cer.close("2026")
        found = everybody(cer, "2026", (*EVERYBODY, "Dora"))
        assert found["Carla"] == found["Dora"] == 74_100_000
        cer.books.database.close()


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
