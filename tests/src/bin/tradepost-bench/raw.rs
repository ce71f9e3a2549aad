//! The baseline: the same sale as ten rows written straight with rusqlite at `FULL`, with the sidecar's fdatasync
//! that the product pays too. 1 order, 3 lines, 1 payment, 3 guarded stock updates, 1 log row, 1 outbox row.

use rusqlite::{Connection, params};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};
use tradepost_tests::seed::Luck;

const SCHEMA: &str = "
PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA wal_autocheckpoint=4000;
CREATE TABLE orders (id BLOB PRIMARY KEY, till TEXT, n INTEGER, total INTEGER, tax INTEGER, at INTEGER) WITHOUT ROWID;
CREATE TABLE lines (order_id BLOB, line INTEGER, sku INTEGER, qty INTEGER, price INTEGER, amount INTEGER, tax INTEGER,
                    PRIMARY KEY (order_id, line)) WITHOUT ROWID;
CREATE TABLE payments (order_id BLOB PRIMARY KEY, kind TEXT, amount INTEGER) WITHOUT ROWID;
CREATE TABLE stock (sku INTEGER PRIMARY KEY, on_hand INTEGER NOT NULL CHECK (on_hand >= 0));
CREATE TABLE log (seq INTEGER PRIMARY KEY, hash BLOB, body BLOB);
CREATE TABLE outbox (seq INTEGER PRIMARY KEY, kind TEXT, body BLOB);
";

/// A raw writer with its own file.
pub(crate) struct Raw {
    connection: Connection,
    sidecar: std::fs::File,
    luck: Luck,
    seq: i64,
}

/// Latencies of commits and sales a second.
pub(crate) struct Figures {
    pub(crate) latencies: Vec<f64>,
    pub(crate) per_second: f64,
    pub(crate) sales: u64,
}

impl Raw {
    pub(crate) fn new(dir: &Path) -> Self {
        let connection = Connection::open(dir.join("raw.db")).expect("the baseline's file opens");
        connection.execute_batch(SCHEMA).expect("the baseline's schema is right");
        let fill = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i+1 FROM n WHERE i < 99999)
                    INSERT INTO stock SELECT i, 1000000000 FROM n";
        connection.execute_batch(fill).expect("stock is filled");
        let sidecar = std::fs::File::create(dir.join("raw.sidecar")).expect("a sidecar");
        sidecar.set_len(4096).expect("a sidecar has a length");
        Self { connection, sidecar, luck: Luck::new(1), seq: 0 }
    }

    /// Writes for `time`, `group` sales a commit.
    pub(crate) fn run(&mut self, group: u64, time: Duration) -> Figures {
        let begun = Instant::now();
        let mut latencies = Vec::new();
        while begun.elapsed() < time {
            let at = Instant::now();
            self.commit(group);
            latencies.push(at.elapsed().as_secs_f64());
        }
        let sales = group * u64::try_from(latencies.len()).unwrap_or(0);
        #[expect(clippy::cast_precision_loss, reason = "a count of sales is small")]
        let per_second = sales as f64 / begun.elapsed().as_secs_f64();
        Figures { latencies, per_second, sales }
    }

    /// Writes the WAL back into the file, so that the file's size tells.
    pub(crate) fn write_back(&self) {
        let done = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        done.expect("a checkpoint");
    }

    fn commit(&mut self, group: u64) {
        self.connection.execute_batch("BEGIN IMMEDIATE").expect("a transaction begins");
        for _ in 0..group {
            self.sale().expect("the ten rows are written");
        }
        self.connection.execute_batch("COMMIT").expect("it commits");
        self.sidecar.write_all_at(&self.seq.to_le_bytes(), 0).expect("the sidecar is written");
        self.sidecar.sync_data().expect("and synced");
    }

    fn sale(&mut self) -> rusqlite::Result<()> {
        self.seq += 1;
        let (seq, db) = (self.seq, &self.connection);
        let mut id = [0u8; 16];
        id[..8].copy_from_slice(&seq.to_be_bytes());
        id[8..].copy_from_slice(&self.luck.next().to_le_bytes());
        let body = [7u8; 300];
        db.prepare_cached("INSERT INTO orders VALUES (?,?,?,?,?,?)")?
            .execute(params![id, "R1", seq, 2_794, 399, seq])?;
        for line in 0..3 {
            let sku = i64::try_from(self.luck.below(100_000)).unwrap_or(0);
            db.prepare_cached("INSERT INTO lines VALUES (?,?,?,?,?,?,?)")?
                .execute(params![id, line, sku, 1_000, 795, 795, 149])?;
            db.prepare_cached("UPDATE stock SET on_hand = on_hand - 1 WHERE sku = ?")?.execute([sku])?;
        }
        db.prepare_cached("INSERT INTO payments VALUES (?,?,?)")?.execute(params![id, "cash", 3_000])?;
        db.prepare_cached("INSERT INTO log VALUES (?,?,?)")?.execute(params![seq, [3u8; 32], body])?;
        db.prepare_cached("INSERT INTO outbox VALUES (?,?,?)")?.execute(params![
            seq,
            "order.created",
            body
        ])?;
        Ok(())
    }
}
