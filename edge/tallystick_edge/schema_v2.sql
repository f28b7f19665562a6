-- From version 1 to 2: receipts stand apart, once each. A receipt beside its batch meant writing every upload a second
-- time when its receipt came, and once more for each batch that the same receipt covers.
CREATE TABLE receipt (                    -- the aggregator's signed word that it has epoch/from_seq..to_seq
    epoch     INTEGER NOT NULL,
    from_seq  INTEGER NOT NULL,
    to_seq    INTEGER NOT NULL,
    server_ms INTEGER NOT NULL,           -- the aggregator's own clock, as signed: age of evidence is counted by it
    envelope  BLOB    NOT NULL,
    PRIMARY KEY (epoch, to_seq)
) STRICT;
INSERT INTO receipt
    SELECT epoch, min(seq), max(seq), max(created_ms), receipt FROM batch WHERE receipt IS NOT NULL GROUP BY epoch, receipt;
ALTER TABLE batch DROP COLUMN receipt;
