//! The hub's books of the golden day.

use super::{Day, SOON, number};
use serde_json::json;
use std::collections::BTreeMap;
use tradepost_tests::http::Client;
use tradepost_tests::journal::sums;
use tradepost_tests::process::wait_for;

/// The hub's consumers have kept the day's books and told each fact once (`facts.md` §4, Accounting day).
pub(super) fn are_kept(day: &mut Day) {
    let today =
        day.admin.get("/v1/z-reports/S1/R1/42").expect("the hub answers").ok()["business_day"].clone();
    let today = today.as_str().expect("a day").to_owned();
    let mut of_the_day: Vec<String> =
        day.papers.values().map(|paper| paper["id"].as_str().expect("an id").to_owned()).collect();
    of_the_day.extend(["safe".to_owned(), "cleaning".to_owned(), "R1 Z42".to_owned()]);
    let figures = &day.figures["accounts"];
    let mut right: BTreeMap<String, i64> = BTreeMap::new();
    for part in ["sales", "drawer"] {
        for (account, amount) in figures[part].as_object().expect("accounts") {
            *right.entry(account.to_owned()).or_default() += number(amount);
        }
    }
    let read = |admin: &mut Client| {
        let path = format!("/v1/journal.csv?store=S1&from={today}&to={today}");
        sums(&admin.get(&path).expect("the hub answers").text(), &of_the_day)
    };
    let mut seen = BTreeMap::new();
    let kept = wait_for("the journal to be kept", SOON, || {
        seen = read(&mut day.admin);
        seen == right
    });
    assert!(kept.is_ok(), "the journal says {seen:?}, the day {right:?}");
    let opened = number(&day.figures["drawer"]["float"]);
    assert_eq!(
        opened + right["cash"],
        number(&day.figures["accounts"]["cash_at_end"]),
        "the drawer at the end"
    );
    let asked = day.admin.json("POST", "/v1/consumers/accounting/replay", &json!({}));
    assert_eq!(asked.expect("the hub answers").status, 202);
    wait_for("the journal to be kept again", SOON, || {
        let groups = day.admin.get("/v1/consumers").expect("the hub answers").ok();
        let own = groups.as_array().expect("groups").iter().find(|it| it["name"] == "accounting").cloned();
        own.expect("accounting")["rebuilding"] == false && read(&mut day.admin) == right
    })
    .expect("a rebuild comes to the same");
}
