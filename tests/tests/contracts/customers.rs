//! Customers' records at the hub, on each database: the later version counts, erased is final, a node gets what others
//! brought and never its own, and goes on where it was.

use tradepost_central::app::{Fault, customers};
use tradepost_central::config::DatabaseAddress;
use tradepost_central::hub::Hub;
use tradepost_sync::ids::Id;
use tradepost_sync::session::{CustomerRecord, RECORDS_MAX, Records};
use tradepost_tests::hub_bench::{Enrolled, PgDatabase, embedded, service};
use tradepost_tests::process::TempDir;

/// Runs a story on SQLite and, where there is a server, on PostgreSQL.
fn on_each_database(test: &str, story: impl Fn(&Hub)) {
    let folder = TempDir::new("customers");
    story(&embedded(folder.path(), &DatabaseAddress::Sqlite));
    if let Some(url) = service("TRADEPOST_PG_URL", test) {
        let (folder, database) = (TempDir::new("customers"), PgDatabase::make(&url));
        story(&embedded(folder.path(), &DatabaseAddress::Postgres(database.url())));
    }
}

fn id(n: usize) -> Id {
    let mut id = [7; 16];
    id[..8].copy_from_slice(&u64::try_from(n).expect("a small number").to_be_bytes());
    Id(id)
}

fn record(n: usize, version: u32, person: Option<&str>) -> CustomerRecord {
    CustomerRecord { id: id(n), version, person: person.map(str::to_owned), price_list: "staff".to_owned() }
}

fn person(hub: &Hub, n: usize) -> Option<String> {
    customers::get(hub, id(n)).expect("it is known").person
}

#[test]
fn the_later_version_counts_and_erased_is_final() {
    on_each_database("the_later_version_counts", |hub| {
        let east = Enrolled::make(hub, "13", 1).writer.incarnation();
        let bring = |record: CustomerRecord| {
            let records = Records { through: 5, records: vec![record] };
            assert_eq!(customers::take(hub, &east, &records).expect("the hub works"), 5);
        };
        bring(record(1, 2, Some("Bea")));
        bring(record(1, 1, Some("Ada")));
        assert_eq!(person(hub, 1).as_deref(), Some("Bea"), "an older version changes nothing");
        bring(record(1, 3, Some("Bea B.")));
        assert_eq!(person(hub, 1).as_deref(), Some("Bea B."));
        customers::erase(hub, id(1)).expect("it is known");
        customers::erase(hub, id(1)).expect("again");
        bring(record(1, 99, Some("back again")));
        assert_eq!(person(hub, 1), None);
        let unknown = customers::erase(hub, id(2));
        assert!(matches!(unknown, Err(Fault::Refused { .. })), "{unknown:?}");
    });
}

#[test]
fn a_node_gets_what_others_brought_and_goes_on_where_it_was() {
    on_each_database("a_node_gets_what_others_brought", |hub| {
        let east = Enrolled::make(hub, "13", 1).writer.incarnation();
        let west = Enrolled::make(hub, "14", 2).writer.incarnation();
        let many = RECORDS_MAX + 20;
        for from in (0..many).step_by(RECORDS_MAX) {
            let records = (from..many.min(from + RECORDS_MAX)).map(|n| record(n, 1, Some("x"))).collect();
            customers::take(hub, &east, &Records { through: 1, records }).expect("the hub works");
        }
        assert_eq!(customers::offer(hub, &east, None).expect("the hub works"), None, "it has its own");
        let first = customers::offer(hub, &west, None).expect("the hub works").expect("some");
        assert_eq!(first.records.len(), RECORDS_MAX);
        let again = customers::offer(hub, &west, None).expect("the hub works").expect("some");
        assert_eq!(again, first, "what was not acknowledged is said again");
        let rest =
            customers::offer(hub, &west, Some(first.through)).expect("the hub works").expect("the rest");
        assert_eq!(rest.records.len(), 20);
        assert_eq!(customers::offer(hub, &west, Some(rest.through)).expect("the hub works"), None);
        // Erased here, both are told.
        customers::erase(hub, id(3)).expect("it is known");
        for who in [&east, &west] {
            let told = customers::offer(hub, who, None).expect("the hub works").expect("news");
            assert_eq!(told.records.len(), 1);
            assert_eq!((told.records[0].id, told.records[0].person.clone()), (id(3), None));
        }
    });
}
