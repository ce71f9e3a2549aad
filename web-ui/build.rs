//! Makes sure that `dist/` exists, so that a plain `cargo build` works without Node.js, and builds this crate
//! again when the page was built anew.

use std::path::Path;

fn main() -> std::io::Result<()> {
    // An empty folder is the placeholder: lib.rs then answers with a page that says how to build the real one.
    std::fs::create_dir_all(Path::new("dist"))?;
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=dist");
    Ok(())
}
