//! What tests in a browser need of the machine: Node.js, the built pages and Chromium.

use crate::process::bin_dir;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const CHROMIUMS: [&str; 3] = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/// The folder of the pages and their stories; `None` where the machine lacks something, which is then said.
///
/// # Panics
/// Where something is missing on CI, or with `TRADEPOST_WEB`: there it is a failure.
#[must_use]
pub fn web_ui() -> Option<PathBuf> {
    let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web-ui");
    let Some(missing) = missing(&web) else { return Some(web) };
    let must = ["CI", "TRADEPOST_WEB"].iter().any(|name| std::env::var_os(name).is_some());
    assert!(!must, "{missing}");
    eprintln!("skipped: {missing}");
    None
}

/// What the machine lacks, in a sentence.
fn missing(web: &Path) -> Option<String> {
    let has_node =
        Command::new("node").arg("--version").stdout(Stdio::null()).status().is_ok_and(|s| s.success());
    if !has_node {
        return Some("there is no Node.js: run scripts/web, which fetches it".into());
    }
    if !web.join("dist/till.html").exists() || !web.join("node_modules/playwright-core").exists() {
        return Some("the till page is not built: run scripts/web".into());
    }
    let chromium =
        std::env::var_os("CHROMIUM").is_some() || CHROMIUMS.iter().any(|place| Path::new(place).exists());
    (!chromium).then(|| "there is no Chromium: install Debian's package, or name one in CHROMIUM".into())
}

/// Where the stories leave their pictures: beside the built programs, so that they are looked at and never committed.
#[must_use]
pub fn shots() -> PathBuf {
    bin_dir().join("screenshots")
}
