//! A power cut: the file system is shut down hard under a selling node. What was answered is there; the same test
//! with commits that are not made durable must lose, which proves that it bites (`resilience.md`).

#![allow(clippy::print_stdout, reason = "what was measured or skipped is said")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tradepost_tests::http::Client;
use tradepost_tests::ids::uuid_v7;
use tradepost_tests::process::{TempDir, wait_for};
use tradepost_tests::seed::{Luck, full};
use tradepost_tests::till::{Books, cash_sale, put_sale, start_node_with};

const WRITERS: usize = 4;

/// An XFS image in a loop device.
struct Disk {
    image: PathBuf,
    mount: PathBuf,
    _dir: TempDir,
}

fn runs(program: &str, args: &[&str]) -> Result<(), String> {
    let out = Command::new(program).args(args).output().map_err(|e| format!("{program}: {e}"))?;
    if out.status.success() {
        return Ok(());
    }
    Err(format!("{program} {args:?}: {}", String::from_utf8_lossy(&out.stderr).trim()))
}

impl Disk {
    fn make() -> Result<Self, String> {
        let dir = TempDir::new("power");
        let (image, mount) = (dir.path().join("disk.img"), dir.path().join("mnt"));
        std::fs::create_dir(&mount).map_err(|e| e.to_string())?;
        let file = std::fs::File::create(&image).map_err(|e| e.to_string())?;
        file.set_len(320 << 20).map_err(|e| e.to_string())?;
        runs("mkfs.xfs", &["-q", &image.to_string_lossy()])?;
        let disk = Self { image, mount, _dir: dir };
        disk.mount()?;
        runs("xfs_io", &["-x", "-c", "help shutdown", &disk.mount.to_string_lossy()])?;
        Ok(disk)
    }

    fn mount(&self) -> Result<(), String> {
        runs("mount", &["-o", "loop", &self.image.to_string_lossy(), &self.mount.to_string_lossy()])
    }

    /// No flush of anything: what is not on the disk by now never will be.
    fn cut_the_power(&self) {
        runs("xfs_io", &["-x", "-c", "shutdown", &self.mount.to_string_lossy()])
            .expect("the file system is shut down");
    }

    fn restore_the_power(&self) {
        let mount = self.mount.to_string_lossy();
        wait_for("the old mount goes", Duration::from_secs(20), || runs("umount", &[&mount]).is_ok())
            .unwrap();
        self.mount().expect("the file system recovers");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.mount).output();
    }
}

struct Outcome {
    answered: usize,
    lost: usize,
    same_memory: bool,
    gaps: Vec<String>,
    doubled: Vec<String>,
}

fn cut_while_selling(disk: &Disk, data: &str, luck: &mut Luck, env: &[(&str, &str)]) -> Outcome {
    let data = disk.mount.join(data);
    let node = start_node_with(&data, "en-grocer", &[], env).unwrap();
    let before = node.said("incarnation");
    let answered = Arc::new(Mutex::new(BTreeSet::new()));
    let url = node.said("http");
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| {
            let (url, answered) = (url.clone(), Arc::clone(&answered));
            std::thread::spawn(move || sell(&url, &answered))
        })
        .collect();
    let enough = 40 + usize::try_from(luck.below(100)).unwrap();
    wait_for("some sales", Duration::from_secs(60), || answered.lock().unwrap().len() >= enough).unwrap();
    disk.cut_the_power();
    writers.into_iter().for_each(|w| w.join().unwrap());
    node.kill();
    disk.restore_the_power();
    let answered = answered.lock().unwrap();
    look(&data, &before, &answered)
}

fn sell(url: &str, answered: &Mutex<BTreeSet<String>>) {
    let mut client = Client::new(url);
    loop {
        let id = uuid_v7();
        match put_sale(&mut client, &id, &cash_sale(&[("EN-001", 1_000)], 500)) {
            Ok(answer) if answer.status == 201 => {
                answered.lock().unwrap().insert(id);
            }
            // After the cut there is no answer of success any more.
            _ => return,
        }
    }
}

fn look(data: &Path, before: &str, answered: &BTreeSet<String>) -> Outcome {
    let node = start_node_with(data, "en-grocer", &[], &[]).unwrap();
    let export = node.client("http").get("/v1/exports/events").unwrap().text();
    let books = Books::read(&export);
    Outcome {
        answered: answered.len(),
        lost: books.missing(answered).len(),
        same_memory: node.said("incarnation") == before,
        gaps: books.gaps(),
        doubled: books.doubled(),
    }
}

#[test]
fn a_power_cut_loses_nothing_that_was_answered() {
    let disk = match Disk::make() {
        Ok(disk) => disk,
        Err(why) => {
            println!("skipped: no XFS image in a loop device here ({why})");
            return;
        }
    };
    let mut luck = Luck::of_this_run("power cut");
    let rounds = if full() { 30 } else { 3 };
    for round in 0..rounds {
        let durable = cut_while_selling(&disk, "full", &mut luck, &[]);
        println!("cut {round}: {} answered, {} lost", durable.answered, durable.lost);
        assert_eq!(durable.lost, 0, "lost");
        assert_eq!((durable.gaps, durable.doubled), (vec![], vec![]));
        assert!(durable.same_memory, "a power cut is no lost memory");
    }
    let normal = [("TRADEPOST_TEST_SYNCHRONOUS", "normal")];
    let careless = cut_while_selling(&disk, "normal", &mut luck, &normal);
    println!("without durable commits: {} answered, {} lost", careless.answered, careless.lost);
    assert!(careless.lost > 0, "this test would not see a loss");
    assert!(!careless.same_memory, "the sidecar sees what the database lost");
}
