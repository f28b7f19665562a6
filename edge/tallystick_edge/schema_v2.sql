-- From version 1 to 2. Every row ends with (or for `batch` holds) the sum of what else it says, so that a flipped bit is
-- found (`row_sum` is the agent's: CRC-32 of the CBOR of its arguments; `receipt_ms`: the time in a receipt). Receipts stand apart, once each: beside a batch
-- they meant writing every upload a second time.
CREATE TABLE receipt (                    -- the aggregator's signed word that it has epoch/from_seq..to_seq
    epoch     INTEGER NOT NULL,
    from_seq  INTEGER NOT NULL,
    to_seq    INTEGER NOT NULL,
    server_ms INTEGER NOT NULL,           -- the aggregator's own clock, as signed: age of evidence is counted by it
    sum       BLOB    NOT NULL,
    envelope  BLOB    NOT NULL,
    PRIMARY KEY (epoch, to_seq)
) STRICT;
INSERT INTO receipt
    SELECT epoch, min(seq), max(seq), receipt_ms(receipt, max(created_ms)),
           row_sum(epoch, min(seq), max(seq), receipt_ms(receipt, max(created_ms)), receipt), receipt
    FROM batch WHERE receipt IS NOT NULL GROUP BY epoch, receipt;

CREATE TABLE batch_2 (                    -- as in version 1, without the receipt; what changes stands before the upload
    epoch      INTEGER NOT NULL,
    seq        INTEGER NOT NULL,
    hash       BLOB    NOT NULL CHECK (length(hash) = 32),
    created_ms INTEGER NOT NULL,
    status     INTEGER NOT NULL CHECK (status IN (0, 1, 2)),
    sum        BLOB    NOT NULL CHECK (length(sum) = 4),
    upload     BLOB    NOT NULL,
    PRIMARY KEY (epoch, seq)
) STRICT;
INSERT INTO batch_2
    SELECT epoch, seq, hash, created_ms, status, row_sum(epoch, seq, hash, created_ms, status), upload FROM batch
    ORDER BY epoch, seq;
DROP TABLE batch;
ALTER TABLE batch_2 RENAME TO batch;
CREATE INDEX batch_waiting ON batch (epoch, seq) WHERE status = 0;

ALTER TABLE chain ADD COLUMN sum BLOB NOT NULL DEFAULT x'';
UPDATE chain SET sum = row_sum(epoch, next_seq, head, last_command, log_view);
ALTER TABLE channel ADD COLUMN sum BLOB NOT NULL DEFAULT x'';
UPDATE channel SET sum = row_sum(number, through, state);
ALTER TABLE machine ADD COLUMN sum BLOB NOT NULL DEFAULT x'';
UPDATE machine SET sum = row_sum(channel, state);
ALTER TABLE pending ADD COLUMN sum BLOB NOT NULL DEFAULT x'';
UPDATE pending SET sum = row_sum(id, items);
ALTER TABLE replay ADD COLUMN sum BLOB NOT NULL DEFAULT x'';
UPDATE replay SET sum = row_sum(address, counter, digest);
