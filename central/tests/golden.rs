//! The committed `openapi.json` and `asyncapi.json` are what the program says. `TRADEPOST_BLESS=1` writes them anew.

use std::path::Path;

#[test]
fn the_committed_document_is_the_one_that_is_served() {
    is_committed("openapi.json", &(tradepost_central::http::openapi_text() + "\n"));
}

#[test]
fn the_committed_description_of_events_is_the_programs_own() {
    is_committed("asyncapi.json", &tradepost_central::stream::schema::asyncapi_text());
}

fn is_committed(name: &str, served: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    if std::env::var_os("TRADEPOST_BLESS").is_some_and(|v| v == "1") {
        std::fs::write(&path, served).expect("the file can be written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == served, "central/{name} has drifted: run scripts/goldens and read the difference");
}

#[test]
fn every_call_has_an_id_a_tag_and_is_described() {
    let document: serde_json::Value =
        serde_json::from_str(&tradepost_central::http::openapi_text()).expect("it is JSON");
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["info"]["license"]["identifier"], "Apache-2.0");
    let mut ids = std::collections::BTreeSet::new();
    for (path, calls) in document["paths"].as_object().expect("paths") {
        for (method, call) in calls.as_object().expect("calls") {
            let id = call["operationId"].as_str().unwrap_or_default();
            assert!(!id.is_empty() && ids.insert(id.to_owned()), "{method} {path}");
            assert!(call["tags"][0].is_string(), "{method} {path}");
            assert!(call["summary"].is_string() || call["description"].is_string(), "{method} {path}");
        }
    }
    assert!(ids.len() > 30);
}
