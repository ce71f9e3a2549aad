//! How the planted bugs act. They change what the programs have written, behind their back: the programs themselves
//! hold no switch for any bug.

use super::machine::Running;
use super::plant::Plant;
use super::world::World;
use std::path::Path;
use tradepost_central::db::{DbError, Value};
use tradepost_node::app::problem::Stop;
use tradepost_node::db::sidecar::Sidecar;
use tradepost_node::db::{events, incarnations};
use tradepost_sync::body::Body;
use tradepost_sync::cart::Cart;
use tradepost_sync::ids::Incarnation;
use tradepost_sync::session::{Batch, Carts};

const AUTHOR: &str = "(SELECT author FROM authors WHERE incarnation = ?1)";

impl World {
    /// After the hub has taken a batch in, of which it held everything up to `held` before.
    pub(super) fn tamper_at_hub(&mut self, batch: &Batch, held: u64, store: i64) {
        let Some(plant) = self.plant else { return };
        let (sql, once_in) = match plant {
            Plant::SeenNotApplied => (
                format!("DELETE FROM orders WHERE author = {AUTHOR} AND seq = ?3 AND ?2 = ?2 AND ?4 = ?4"),
                20,
            ),
            Plant::NaiveResend if batch.to() <= held => (
                format!(
                    "UPDATE stock SET on_hand = on_hand - 1 WHERE store = ?4 AND sku IN (SELECT sku FROM order_lines \
                     WHERE author = {AUTHOR} AND seq BETWEEN ?2 AND ?3)"
                ),
                1,
            ),
            Plant::TieBreakDropsRow => (
                format!(
                    "DELETE FROM orders WHERE author = {AUTHOR} AND seq BETWEEN ?2 AND ?3 AND EXISTS (SELECT 1 FROM \
                     orders o WHERE o.store = ?4 AND o.committed_at = orders.committed_at AND o.seq <> orders.seq)"
                ),
                1,
            ),
            Plant::NaiveOutbox => (
                format!(
                    "DELETE FROM outbox WHERE author = {AUTHOR} AND event_seq = ?3 AND ?2 = ?2 AND ?4 = ?4"
                ),
                20,
            ),
            Plant::UnknownKindDropped => (
                format!(
                    "DELETE FROM events WHERE author = {AUTHOR} AND kind = 900 AND seq BETWEEN ?2 AND ?3 AND ?4 = ?4"
                ),
                1,
            ),
            _ => return,
        };
        if !self.once_in(once_in) {
            return;
        }
        let Some(hub) = &self.hub.hub else { return };
        let number = |n: u64| Value::from(i64::try_from(n).unwrap_or(0));
        let values = [
            Value::Bytes(batch.incarnation.0.to_vec()),
            number(batch.from),
            number(batch.to()),
            store.into(),
        ];
        hub.db.write::<_, DbError>(|tx| tx.execute(&sql, &values)).expect("a bug can be planted");
    }

    /// Caps don't cap anywhere.
    fn lift_caps(&mut self) {
        self.behind_the_hubs_back("UPDATE caps SET seq = 1000000000", &[]);
        for machine in 0..self.machines.len() {
            if self.machines[machine].running.is_some() {
                self.behind_its_back(machine, "UPDATE caps SET seq = 1000000000", ());
            }
        }
    }

    /// The hub has looked after things.
    pub(super) fn tamper_upkeep(&mut self) {
        if self.planted(Plant::NoRowCap) {
            self.lift_caps();
        }
        if !self.planted(Plant::RawCount) {
            return;
        }
        for (store, item, n) in std::mem::take(&mut self.counted_raw) {
            let (number, sku) = (self.stores[store].1, self.items[item].sku.clone());
            let n = Value::from(i64::try_from(n).unwrap_or(0));
            let sql = "UPDATE stock SET on_hand = ?3 WHERE store = ?1 AND sku = ?2";
            self.behind_the_hubs_back(sql, &[number.into(), Value::from(sku), n]);
        }
    }

    /// The hub has promised units of a web order.
    pub(super) fn tamper_promise(&mut self, store: usize, item: usize, units: u64) {
        if self.planted(Plant::PromiseKeepsRight) {
            let (number, sku) = (self.stores[store].1, self.items[item].sku.clone());
            let units = Value::from(i64::try_from(units).unwrap_or(0));
            let sql = "UPDATE hub_rights SET units = units + ?3 WHERE store = ?1 AND sku = ?2";
            self.behind_the_hubs_back(sql, &[number.into(), Value::from(sku), units]);
        }
    }

    /// A machine has answered that an order is called off.
    pub(super) fn tamper_called_off(&mut self, machine: usize, order: usize) {
        if self.planted(Plant::CalledOffTwice) {
            let (sku, units) =
                (self.items[self.oracle.web[order].sku].sku.clone(), self.oracle.web[order].units);
            let units = i64::try_from(units).unwrap_or(0);
            let sql =
                "UPDATE stock SET minted = minted + ?1 WHERE sku = (SELECT no FROM skus WHERE sku = ?2)";
            self.behind_its_back(machine, sql, (units, sku));
        }
    }

    fn behind_the_hubs_back(&mut self, sql: &str, values: &[Value]) {
        if let Some(hub) = &self.hub.hub {
            hub.db.write::<_, DbError>(|tx| tx.execute(sql, values)).expect("a bug can be planted");
        }
    }

    /// A batch that a machine holds already comes to it again.
    pub(super) fn tamper_grant(&mut self, machine: usize, batch: &Batch) {
        if !self.planted(Plant::AdditiveGrants) {
            return;
        }
        let Some(running) = &self.machines[machine].running else {
            return;
        };
        let granted = grants_to(running, batch);
        for (sku, units) in granted {
            let sql =
                "UPDATE stock SET received = received + ?1 WHERE sku = (SELECT no FROM skus WHERE sku = ?2)";
            self.behind_its_back(machine, sql, (units, sku));
        }
    }

    /// A neighbour's carts have come; now and then what stands in them is taken for scanned anew.
    pub(super) fn tamper_carts(&mut self, carts: Carts) -> Carts {
        if !self.planted(Plant::ResurrectedLine) || !self.once_in(20) {
            return carts;
        }
        let actor = self.incarnation();
        let anew = carts.carts.iter().map(|bytes| scan_anew(bytes, actor).unwrap_or_else(|| bytes.clone()));
        Carts { carts: anew.collect(), ..carts }
    }

    /// A machine has just started.
    pub(super) fn tamper_at_start(&mut self, machine: usize) {
        if self.planted(Plant::NumberForgotten) {
            let sql = "UPDATE documents SET series = NULL, n = NULL WHERE place = \
                (SELECT max(place) FROM documents WHERE kind IN (1, 2) AND request IS NOT NULL) AND ?1 = ?1";
            self.behind_its_back(machine, sql, (0,));
        }
        if let Some(backup) = self.machines[machine].remembered.take() {
            for (sku, rights) in rights_in(&backup) {
                let sql = "UPDATE stock SET minted = minted + ?1 WHERE sku = ?2";
                self.behind_its_back(machine, sql, (rights, sku));
            }
        }
    }

    /// An old database was put back.
    pub(super) fn tamper_restored(&mut self, machine: usize, backup: &Path) {
        let home = self.machines[machine].home().to_owned();
        if self.planted(Plant::ReusedIncarnation) {
            let reads = tradepost_node::db::Reads::new(&home.join("tradepost.db"));
            let present = reads.with::<_, Stop>(|conn| Ok(incarnations::present(conn)?)).ok().flatten();
            let (mut sidecar, _) = Sidecar::open(&home.join("sidecar")).expect("a sidecar");
            if let Some(known) = present {
                sidecar.note(&known.mark()).expect("it is written");
            }
        }
        if self.planted(Plant::ForgottenRights) {
            self.machines[machine].remembered = Some(backup.to_owned());
        }
    }

    fn behind_its_back(&mut self, machine: usize, sql: &str, values: impl rusqlite::Params) {
        let path = self.machines[machine].home().join("tradepost.db");
        let conn = rusqlite::Connection::open(path).expect("the file is there");
        conn.execute(sql, values).expect("a bug can be planted");
        drop(conn);
        if let Some(running) = self.machines[machine].running.as_mut() {
            // What it keeps in memory is read anew.
            running.node.begin().and_then(|()| running.node.give_up()).expect("it reads its file");
        }
    }
}

fn grants_to(running: &Running, batch: &Batch) -> Vec<(String, i64)> {
    let me = running.node.me().0;
    let mut found = Vec::new();
    let read = running.reads.with::<_, Stop>(|conn| {
        let Some(known) = incarnations::find(conn, &batch.incarnation)? else {
            return Ok(());
        };
        if known.head.seq < batch.to() {
            return Ok(());
        }
        for seq in batch.from..=batch.to() {
            let event = events::read(conn, events::place(known.no, seq))?;
            if let Some(Ok(Body::RightsGranted(grant))) = event.map(|event| event.body())
                && grant.to == me
            {
                found.push((grant.sku.0, i64::try_from(grant.units).unwrap_or(0)));
            }
        }
        Ok(())
    });
    read.map_or_else(|_| Vec::new(), |()| found)
}

fn rights_in(backup: &Path) -> Vec<(i64, i64)> {
    let conn = rusqlite::Connection::open(backup.join("tradepost.db")).expect("the backup is there");
    let mut statement =
        conn.prepare("SELECT minted + received - given - used, sku FROM stock").expect("it has stock");
    let rows = statement.query_map([], |row| Ok((row.get(1)?, row.get(0)?))).expect("it has rows");
    rows.collect::<Result<_, _>>().expect("numbers")
}

fn scan_anew(bytes: &[u8], actor: Incarnation) -> Option<Vec<u8>> {
    let mut cart = Cart::unpack(bytes).ok()?;
    for line in cart.in_order() {
        cart.scan(actor, line).ok()?;
    }
    cart.pack().ok()
}
