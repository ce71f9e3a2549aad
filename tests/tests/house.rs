//! The house's rules that no compiler holds: who may know whom, what is written where, which words are used.
//!
//! Every test reads files of the repository and names what it found by file and line.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Which of our own crates each one may know.
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("commerce", &[]),
    ("sync", &["commerce"]),
    ("proto", &["commerce", "sync"]),
    ("telemetry", &[]),
    ("web-ui", &[]),
    ("node", &["commerce", "sync", "proto", "telemetry", "web-ui"]),
    ("central", &["commerce", "sync", "proto", "telemetry", "web-ui"]),
    ("tests", &["commerce", "sync", "proto", "telemetry", "web-ui", "node", "central"]),
];

/// What the pure crates must not touch: clocks, luck, the outside world, and order that changes from run to run.
const IMPURE: &[&str] = &[
    "std::time",
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "HashMap",
    "HashSet",
    "RandomState",
    "SystemTime",
    "Instant::now",
    "tokio",
    "rusqlite",
    "postgres::",
    "getrandom",
    "rand::",
];

/// Folders of a program that must not name each other: (folder, what its files must not name).
const APART: &[(&str, &[&str])] = &[
    ("node/src/http", &["crate::net", "super::net"]),
    ("node/src/net", &["crate::http", "super::http"]),
    ("node/src/db", &["crate::http", "crate::net", "crate::app"]),
    ("node/src/app", &["crate::http", "crate::net"]),
    ("central/src/http", &["crate::grpc", "super::grpc"]),
    ("central/src/grpc", &["crate::http", "super::http"]),
    ("central/src/db", &["crate::http", "crate::grpc", "crate::app"]),
    ("central/src/app", &["crate::http", "crate::grpc"]),
];

/// Folders that run on one thread without a reactor, so that a simulator can drive whole programs.
const SYNCHRONOUS: &[&str] = &["node/src/app", "node/src/db", "central/src/app", "central/src/db"];

/// Folders that translate and so never write to the database themselves.
const NEVER_WRITES: &[&str] = &["node/src/http", "node/src/net", "central/src/http", "central/src/grpc"];

const LINES_MAX: usize = 900;
const LINES_MANY: usize = 700;
const CATALOG_BYTES_MAX: u64 = 100_000;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests package lies in the repository")
        .to_path_buf()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Every file under a folder, sorted, without what is built, fetched or git's own.
fn files(folder: &Path) -> Vec<PathBuf> {
    const SKIPPED: &[&str] = &[".git", "target", "node_modules", "dist", "__pycache__"];
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else { return found };
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && !SKIPPED.contains(&name.as_str()) {
            found.extend(files(&path));
        } else if path.is_file() {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn rust_files(folder: &str) -> Vec<PathBuf> {
    files(&root().join(folder))
        .into_iter()
        .filter(|path| path.extension().is_some_and(|e| e == "rs"))
        .collect()
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// Lines of code with their numbers: without comments and, from the first one on, without modules of tests.
fn code_lines(text: &str) -> Vec<(usize, &str)> {
    text.lines()
        .enumerate()
        .take_while(|(_, line)| line.trim() != "#[cfg(test)]")
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(at, line)| (at + 1, line))
        .collect()
}

/// Where a file's code holds one of the needles.
fn finds(path: &Path, needles: &[&str]) -> Vec<String> {
    let text = read(path);
    code_lines(&text)
        .into_iter()
        .flat_map(|(at, line)| needles.iter().filter(move |n| line.contains(**n)).map(move |n| (at, *n)))
        .map(|(at, needle)| format!("{}:{at}: {needle}", shown(path)))
        .collect()
}

fn must_be_empty(found: &[String], rule: &str) {
    assert!(found.is_empty(), "{rule}:\n  {}", found.join("\n  "));
}

#[test]
fn crates_depend_only_downwards() {
    let mut found = Vec::new();
    for (name, allowed) in MAY_KNOW {
        let manifest = read(&root().join(name).join("Cargo.toml"));
        let known = manifest.lines().filter_map(|line| line.trim().strip_prefix("tradepost-"));
        let known = known.filter_map(|rest| rest.split(['.', ' ', '=']).next());
        for other in known.filter(|other| !allowed.contains(other)) {
            found.push(format!("{name}/Cargo.toml names tradepost-{other}"));
        }
    }
    must_be_empty(&found, "a crate knows one that it must not");
}

#[test]
fn code_names_only_crates_it_may_know() {
    let mut found = Vec::new();
    for (name, allowed) in MAY_KNOW {
        let forbidden: Vec<String> = MAY_KNOW
            .iter()
            .filter(|(other, _)| other != name && !allowed.contains(other))
            .map(|(other, _)| format!("tradepost_{}", other.replace('-', "_")))
            .collect();
        let forbidden: Vec<&str> = forbidden.iter().map(String::as_str).collect();
        for path in rust_files(&format!("{name}/src")) {
            found.extend(finds(&path, &forbidden));
        }
    }
    must_be_empty(&found, "code names a crate that it must not know");
}

#[test]
fn pure_crates_touch_nothing_outside() {
    let sources = ["commerce/src", "sync/src"].into_iter().flat_map(rust_files);
    let found: Vec<String> = sources.flat_map(|path| finds(&path, IMPURE)).collect();
    must_be_empty(&found, "commerce and sync know no clock, no luck, no input or output");
}

#[test]
fn folders_of_a_program_stay_apart() {
    let mut found = Vec::new();
    for (folder, forbidden) in APART {
        for path in rust_files(folder) {
            found.extend(finds(&path, forbidden));
        }
    }
    must_be_empty(&found, "http and net (or grpc) translate into app; db decides nothing and knows nobody");
}

#[test]
fn app_and_db_are_synchronous() {
    let sources = SYNCHRONOUS.iter().flat_map(|folder| rust_files(folder));
    let found: Vec<String> =
        sources.flat_map(|path| finds(&path, &["async fn", ".await", "axum::", "tonic::"])).collect();
    must_be_empty(&found, "async starts outside app and db");
}

#[test]
fn only_app_writes() {
    let sources = NEVER_WRITES.iter().flat_map(|folder| rust_files(folder));
    let found: Vec<String> = sources
        .flat_map(|path| finds(&path, &["INSERT INTO", "DELETE FROM", "UPDATE SET", "DROP TABLE"]))
        .collect();
    must_be_empty(&found, "who translates doesn't write");
}

#[test]
fn every_crate_takes_the_workspace_lints() {
    for (name, _) in MAY_KNOW {
        let manifest = read(&root().join(name).join("Cargo.toml"));
        assert!(
            manifest.contains("[lints]\nworkspace = true"),
            "{name}/Cargo.toml must take the workspace's lints"
        );
    }
    for name in ["commerce", "sync"] {
        assert!(root().join(name).join("clippy.toml").is_file(), "{name}/clippy.toml holds what is pure");
    }
}

#[test]
fn files_stay_readable() {
    const KINDS: &[&str] = &["rs", "ts", "svelte", "py", "sh", "mjs"];
    let mut found = Vec::new();
    for path in files(&root()) {
        if !path.extension().is_some_and(|kind| KINDS.iter().any(|k| *k == kind)) {
            continue;
        }
        let lines = read(&path).lines().count();
        if lines > LINES_MAX {
            found.push(format!("{} has {lines} lines", shown(&path)));
        } else if lines > LINES_MANY {
            eprintln!("long: {} has {lines} lines", shown(&path));
        }
    }
    must_be_empty(&found, "one subject a file");
}

#[test]
fn nothing_is_left_half_said() {
    // Put together here, so that this file doesn't find itself.
    let unfinished =
        [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("todo", "!("), concat!("unimple", "mented!(")];
    let of_one_machine = [concat!("/ro", "ot/"), concat!("/wo", "rk/"), concat!("/ho", "me/")];
    let mut found = Vec::new();
    for path in files(&root()) {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        for (at, line) in text.lines().enumerate() {
            for word in unfinished.iter().chain(&of_one_machine).filter(|word| line.contains(**word)) {
                found.push(format!("{}:{}: {word}", shown(&path), at + 1));
            }
        }
    }
    must_be_empty(&found, "no loose ends, and no paths of one machine");
}

#[test]
fn lock_files_name_no_private_host() {
    let lock = root().join("web-ui/package-lock.json");
    if lock.is_file() {
        assert!(!read(&lock).contains("\"resolved\""), "{} names where packages came from", shown(&lock));
    }
}

/// Programs in scripts/, without what is only sourced.
fn scripts() -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join("scripts")).expect("there is a scripts folder");
    let mut found: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.is_file() && path.extension().is_none_or(|e| e != "sh"))
        .collect();
    found.sort();
    found
}

#[test]
fn every_script_answers_help() {
    let names: Vec<String> = scripts().iter().map(|path| shown(path)).collect();
    for expected in ["demo", "test", "services", "check", "goldens", "bench", "sim", "recompute.py"] {
        assert!(names.contains(&format!("scripts/{expected}")), "scripts/{expected} is missing");
    }
    for script in scripts() {
        let out = Command::new(&script).arg("--help").output();
        let out = out.unwrap_or_else(|e| panic!("{} can't be run: {e}", shown(&script)));
        let text = String::from_utf8_lossy(&out.stdout);
        assert!(out.status.success(), "{} --help ends with {}", shown(&script), out.status);
        let name = script.file_name().unwrap_or_default().to_string_lossy();
        assert!(text.contains(&*name) && text.lines().count() >= 3, "{} --help says: {text}", shown(&script));
    }
}

#[test]
fn ci_runs_what_everybody_runs() {
    let run = read(&root().join(".ci/run"));
    let commands: Vec<&str> =
        run.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    assert!(matches!(&commands[..], [only] if only.contains("scripts/test")), "{commands:?}");
}

#[test]
fn the_two_commands_stand_on_the_first_screen() {
    let readme = read(&root().join("README.md"));
    let first_screen: String = readme.lines().take(40).collect::<Vec<_>>().join("\n");
    for command in ["scripts/demo", "scripts/test"] {
        assert!(first_screen.contains(command), "README.md must name {command} on its first screen");
    }
    let contributing = read(&root().join("CONTRIBUTING.md"));
    let test = read(&root().join("scripts/test"));
    let suites =
        test.lines().find_map(|line| line.strip_prefix("SUITES=(")).expect("scripts/test lists its suites");
    for suite in suites.trim_end_matches(')').split(' ') {
        assert!(
            contributing.contains(&format!("`{suite}`")),
            "CONTRIBUTING.md must explain the suite {suite}"
        );
    }
}

#[test]
fn the_documents_are_there() {
    const DOCUMENTS: &[&str] =
        &["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE"];
    for name in DOCUMENTS {
        assert!(read(&root().join(name)).len() > 200, "{name} says nothing");
    }
    assert!(read(&root().join("LICENSE")).contains("Apache License"));
}

#[test]
fn golden_files_tie_the_layers() {
    for name in ["node/schema.sql", "node/openapi.json", "central/openapi.json"] {
        assert!(root().join(name).is_file(), "{name} is missing: scripts/goldens writes it");
    }
    let events = files(&root().join("proto/golden"));
    assert!(!events.is_empty(), "proto/golden holds no frozen event");
}

#[test]
fn links_in_documents_lead_somewhere() {
    let mut found = Vec::new();
    for path in files(&root()).into_iter().filter(|path| path.extension().is_some_and(|e| e == "md")) {
        let text = read(&path);
        let folder = path.parent().expect("a file lies in a folder");
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let inside =
            targets.filter(|t| !t.contains("://") && !t.starts_with('#') && !t.starts_with("mailto:"));
        for target in inside.map(|target| target.split('#').next().unwrap_or(target)) {
            if !folder.join(target).exists() {
                found.push(format!("{} points to {target}", shown(&path)));
            }
        }
    }
    must_be_empty(&found, "a link leads nowhere");
}

/// A line of a catalog file, by its type.
fn check_record(record: serde_json::Value) -> Result<String, String> {
    use tradepost_commerce::{
        price_book::PriceEntry, product::Product, promotion::Promotion, settings::Settings,
    };
    let mut fields = record.as_object().cloned().ok_or("not an object")?;
    let kind = fields.remove("type").and_then(|t| t.as_str().map(str::to_owned)).ok_or("no type")?;
    let record = serde_json::Value::Object(fields);
    let why = |e: serde_json::Error| format!("{kind}: {e}");
    match kind.as_str() {
        "settings" => {
            let settings: Settings = serde_json::from_value(record).map_err(why)?;
            settings.check().map_err(|e| e.to_string())?;
        }
        "product" => {
            let product: Product = serde_json::from_value(record).map_err(why)?;
            if product.gtins.is_empty() && product.plu.is_none() {
                return Err(format!("{} has neither GTIN nor PLU", product.sku.0));
            }
        }
        "price" => drop(serde_json::from_value::<PriceEntry>(record).map_err(why)?),
        "promotion" => drop(serde_json::from_value::<Promotion>(record).map_err(why)?),
        "tax" | "stock" => {}
        other => return Err(format!("unknown type {other}")),
    }
    Ok(kind)
}

#[test]
fn the_small_catalogs_are_sound() {
    for name in ["vn-minimart", "en-grocer"] {
        let path = root().join("node/catalogs").join(format!("{name}.ndjson"));
        let size = fs::metadata(&path).map_or(0, |found| found.len());
        assert!((1_000..CATALOG_BYTES_MAX).contains(&size), "{} has {size} bytes", shown(&path));
        let mut kinds = Vec::new();
        for (at, line) in read(&path).lines().enumerate() {
            let record = serde_json::from_str(line).map_err(|e| e.to_string());
            kinds.push(record.and_then(check_record).unwrap_or_else(|e| panic!("{name}:{}: {e}", at + 1)));
        }
        let count = |kind: &str| kinds.iter().filter(|k| *k == kind).count();
        assert_eq!(kinds[0], "settings", "{name}: the settings come first");
        assert!(count("product") >= 100, "{name} has {} products", count("product"));
        assert_eq!(count("product"), count("price"), "{name}: one price a product");
        assert!(count("tax") >= 4 && count("promotion") >= 1, "{name} shows several rates and a promotion");
    }
}

#[test]
fn the_recomputation_is_a_stranger() {
    let script = root().join("scripts/recompute.py");
    let imports: Vec<String> = read(&script)
        .lines()
        .filter(|line| line.starts_with("import ") || line.starts_with("from "))
        .map(str::to_owned)
        .collect();
    assert_eq!(imports, ["import json", "import sys", "from collections import defaultdict"]);
    let out = Command::new(&script).arg("--self-test").output().expect("recompute.py can be run");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}
