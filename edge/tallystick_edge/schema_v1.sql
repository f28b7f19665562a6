-- The gateway's journal, version 1. Blobs are deterministic CBOR (`pending`: deflated); times are UTC milliseconds.
CREATE TABLE chain (                      -- one row: where the signed chain stands
    id           INTEGER PRIMARY KEY CHECK (id = 1),
    epoch        INTEGER NOT NULL,
    next_seq     INTEGER NOT NULL,
    head         BLOB    NOT NULL CHECK (length(head) = 32),   -- prev of the next batch
    last_command INTEGER NOT NULL,
    log_view     BLOB                                          -- [log, size, root] of the largest checked checkpoint
) STRICT;
CREATE TABLE channel (                    -- what each channel goes on from, as of flush `through`: the good
    number  INTEGER PRIMARY KEY,          -- readings of later flushes in `pending` move it on when it is loaded
    through INTEGER NOT NULL,
    state   BLOB    NOT NULL
) STRICT;
CREATE TABLE machine (                    -- snapshot of each usage state machine, by its cycles channel
    channel INTEGER PRIMARY KEY,
    state   BLOB NOT NULL
) STRICT;
CREATE TABLE pending (                    -- one row per flush: items not sealed yet; numbered by the agent, never reused
    id    INTEGER PRIMARY KEY,
    items BLOB NOT NULL
) STRICT;
CREATE TABLE batch (                      -- sealed batches, kept as evidence after their receipt
    epoch      INTEGER NOT NULL,
    seq        INTEGER NOT NULL,
    hash       BLOB    NOT NULL CHECK (length(hash) = 32),
    created_ms INTEGER NOT NULL,
    status     INTEGER NOT NULL CHECK (status IN (0, 1, 2)),   -- 0 waits for a receipt, 1 final, 2 superseded by a new epoch
    upload     BLOB    NOT NULL,                               -- envelope with salts and parts
    receipt    BLOB,                                           -- the envelope that made it final
    PRIMARY KEY (epoch, seq)
) STRICT;
CREATE INDEX batch_waiting ON batch (epoch, seq) WHERE status = 0;
CREATE TABLE replay (                     -- last packet counter per Bluetooth address
    address TEXT PRIMARY KEY,
    counter INTEGER NOT NULL,
    digest  BLOB    NOT NULL
) STRICT;
