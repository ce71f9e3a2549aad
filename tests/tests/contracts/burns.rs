//! One contract for both databases of the hub: rights that a shrink left without goods are burnt by one holder at a time, each
//! request once (`model.md` §2, burn; G50 of §8).

use tradepost_central::app::shelf::ShelfMemory;
use tradepost_central::app::{Fault, burns, enrol, fence, ingest, stock};
use tradepost_central::config::DatabaseAddress;
use tradepost_central::hub::Hub;
use tradepost_commerce::document::Sku;
use tradepost_sync::body::{RightsBurnt, RightsGranted};
use tradepost_sync::burn::BurnAsk;
use tradepost_sync::clock::Tau;
use tradepost_sync::ids::{Id, Incarnation};
use tradepost_sync::session::Applied;
use tradepost_tests::hub_bench::{Enrolled, NOW, PgDatabase, Writer, application, embedded, service};
use tradepost_tests::process::TempDir;

fn on_each_database(test: &str, story: impl Fn(&Hub)) {
    let folder = TempDir::new("hub");
    story(&embedded(folder.path(), &DatabaseAddress::Sqlite));
    if let Some(url) = service("TRADEPOST_PG_URL", test) {
        let (folder, database) = (TempDir::new("hub"), PgDatabase::make(&url));
        story(&embedded(folder.path(), &DatabaseAddress::Postgres(database.url())));
    }
}

const SHELF: &str = "MILK";

/// A store with three tills: the first has counted two less than the books, and has no rights of its own.
struct Shop<'h> {
    hub: &'h Hub,
    store: Enrolled,
    others: [Writer; 2],
}

fn shop(hub: &Hub) -> Shop<'_> {
    let mut store = Enrolled::make(hub, "13", 1);
    let others = [2, 3].map(|seed| {
        let writer = Writer::new(seed);
        enrol::enrol(hub, &application(hub, "13", &writer, [seed; 8]), NOW).expect("a good code");
        writer
    });
    store.writer.received(SHELF, 10);
    for (other, units) in others.iter().zip([6, 4]) {
        let to = other.incarnation();
        store.writer.write(&RightsGranted { sku: Sku(SHELF.to_owned()), to, units }.into());
    }
    let mut shop = Shop { hub, store, others };
    let end = shop.store.writer.head.seq;
    shop.take_first(1, end);
    shop.count(8);
    assert_eq!(shop.shrink(), 2);
    shop
}

impl Shop<'_> {
    fn take_first(&self, from: u64, to: u64) {
        let batch = self.store.writer.raw(from, to);
        assert_eq!(self.store.give(self.hub, &batch), Applied::Done(batch.end()));
    }

    fn count(&mut self, n: u64) {
        let seq = self.store.writer.head.seq + 1;
        let at = Tau::told(1, NOW + i64::try_from(seq).expect("few events") * 1_000);
        self.store.writer.counted(SHELF, n, at, &[]);
        self.take_first(seq, seq);
    }

    /// The till answers, and the hub hears of it.
    fn answers(&mut self, till: usize, ask: &BurnAsk, units: u64) {
        let writer = &mut self.others[till];
        writer.write(&RightsBurnt { sku: ask.sku.clone(), units, asked_by: Some(ask.id) }.into());
        let seq = writer.head.seq;
        let batch = self.others[till].raw(seq, seq);
        let done = ingest::ingest(self.hub, &ShelfMemory::default(), self.store.store, &batch, NOW + 60_000);
        assert_eq!(done.expect("the hub works"), Applied::Done(batch.end()));
    }

    fn advance(&self, at: i64) -> u64 {
        let id = || -> Result<Id, Fault> {
            let mut id = [0; 16];
            getrandom::fill(&mut id).map_err(Fault::internal)?;
            Ok(Id(id))
        };
        burns::advance(self.hub, id, NOW + at).expect("the hub works")
    }

    fn asked(&self, till: usize) -> Vec<BurnAsk> {
        burns::asks_for(self.hub, &self.others[till].incarnation()).expect("the hub works")
    }

    fn shrink(&self) -> i128 {
        stock::get(self.hub, "13", SHELF).expect("the hub works").picture.shrink()
    }

    fn who(&self, till: usize) -> Incarnation {
        self.others[till].incarnation()
    }
}

#[test]
fn g50_one_holder_at_a_time_is_asked_the_largest_first_and_a_request_is_done_once() {
    on_each_database("g50_one_at_a_time", |hub| {
        let mut shop = shop(hub);
        assert_eq!(shop.advance(0), 0, "nobody is in session who could burn");
        let _present = [hub.present.met(shop.who(0)), hub.present.met(shop.who(1))];
        assert_eq!([shop.advance(0), shop.advance(100)], [1, 0], "asked once");
        let [ask] = &shop.asked(0)[..] else { panic!("the largest holder is asked") };
        let ask = ask.clone();
        assert_eq!((ask.units, ask.holder), (2, shop.who(0)));
        assert_eq!(shop.asked(1), [], "one at a time");
        assert_eq!(shop.asked(0), std::slice::from_ref(&ask), "the same again until it has answered");

        // Half of it is in baskets: the next holder is asked for the rest.
        shop.answers(0, &ask, 1);
        assert_eq!((shop.asked(0), shop.shrink()), (Vec::new(), 1));
        assert_eq!(shop.advance(1_000), 1);
        let [rest] = &shop.asked(1)[..] else { panic!("the other one is asked") };
        let rest = rest.clone();
        assert_eq!(rest.units, 1);
        shop.answers(1, &rest, 1);
        assert_eq!((shop.shrink(), shop.advance(2_000)), (0, 0));
    });
}

#[test]
fn who_burnt_nothing_is_asked_again_later_and_who_is_gone_is_not_waited_for() {
    on_each_database("g50_later", |hub| {
        let mut shop = shop(hub);
        let first = hub.present.met(shop.who(0));
        assert_eq!(shop.advance(0), 1);
        let ask = shop.asked(0).pop().expect("it is asked");
        shop.answers(0, &ask, 0);
        assert_eq!(shop.advance(61_000), 0, "it has only just answered, and nobody else is here");
        assert_eq!(shop.advance(66_000), 1, "its carts may have let go");
        let second = hub.present.met(shop.who(1));
        drop(first);
        assert_eq!(shop.advance(67_000), 0, "it may only be on its way back");
        assert_eq!(shop.advance(130_000), 1, "it is not waited for");
        assert_eq!((shop.asked(0).len(), shop.asked(1).len()), (0, 1));

        // A till that is lost burns nothing: what it holds is suspended, and covers the shrink.
        let lost = fence::Fencing { successor: None, attested: Some("it burnt".to_owned()) };
        fence::fence(hub, "13", &shop.who(1), &lost, NOW + 131_000).expect("it is fenced");
        assert_eq!((shop.asked(1), shop.advance(132_000)), (Vec::new(), 0));
        drop(second);
    });
}

/// The shrink that was asked about is found again by a person: the request is withdrawn, and an answer that comes all the
/// same is a fact.
#[test]
fn what_is_found_again_is_not_burnt_and_an_answer_that_comes_all_the_same_counts() {
    on_each_database("g50_found", |hub| {
        let mut shop = shop(hub);
        let _present = hub.present.met(shop.who(0));
        assert_eq!(shop.advance(0), 1);
        let ask = shop.asked(0).pop().expect("it is asked");
        shop.count(10);
        assert_eq!((shop.shrink(), shop.advance(1_000)), (0, 0));
        assert_eq!(shop.asked(0), [], "it is withdrawn");
        // It had burnt before it heard of the second count.
        shop.answers(0, &ask, 2);
        let picture = stock::get(hub, "13", SHELF).expect("the hub works").picture;
        assert_eq!((picture.surplus(), picture.available), (2, 8), "a barrier mints it back");
    });
}
