//! The till page and the console as files in memory: what `scripts/web` built into `dist/`, embedded when the program is
//! compiled. A node serves the one, the hub the other.
//!
//! Without a built page everything still compiles; `/` then says how to build it (`house.md`, who may know whom:
//! this crate knows nobody).

use rust_embed::RustEmbed;
use std::borrow::Cow;

#[derive(RustEmbed)]
#[folder = "dist"]
struct Dist;

/// What `/` serves.
const PAGE: &str = "till.html";
/// What `/display/{till}` serves; the page reads the till from its address.
const DISPLAY: &str = "display.html";
/// The console, which only a hub serves.
const CONSOLE: &str = "admin.html";
/// Vite puts files here under names that hold a hash of their content, so a name never gets another content.
const HASHED: &str = "assets/";
const PLACEHOLDER_PAGE: &str = include_str!("not_built.html");
const PLACEHOLDER_STYLE: &str = include_str!("not_built.css");

/// One file of the page.
#[derive(Clone, Debug)]
pub struct Asset {
    /// The content.
    pub bytes: Cow<'static, [u8]>,
    /// The value of `Content-Type`.
    pub mime: &'static str,
    /// A strong entity tag with its quotes, made of the content alone.
    pub etag: String,
    /// Whether this name can never get another content, so that a browser may keep it for good.
    pub immutable: bool,
}

/// Whether a built page is embedded; otherwise `/` is a page that says how to build it.
#[must_use]
pub fn built() -> bool {
    Dist::get(PAGE).is_some()
}

/// The file under a path of the site (`/`, `/assets/till-5f3a.js`; the leading slash may be missing); `None` where
/// there is none.
#[must_use]
pub fn asset(path: &str) -> Option<Asset> {
    let name = match path.trim_start_matches('/') {
        "" => PAGE,
        CONSOLE => return None,
        name if name == "display" || name.starts_with("display/") => DISPLAY,
        name => name,
    };
    embedded(name).or_else(|| placeholder(name))
}

/// The file under a path of the hub's site: the console at `/`, and what it loads; `None` where there is none, and for `/`
/// where no console was built.
#[must_use]
pub fn console(path: &str) -> Option<Asset> {
    match path.trim_start_matches('/') {
        "" => embedded(CONSOLE),
        PAGE | DISPLAY | CONSOLE => None,
        name => embedded(name),
    }
}

fn embedded(name: &str) -> Option<Asset> {
    let file = Dist::get(name)?;
    let etag = etag(&file.metadata.sha256_hash());
    Some(Asset { bytes: file.data, mime: mime(name), etag, immutable: name.starts_with(HASHED) })
}

fn placeholder(name: &str) -> Option<Asset> {
    let text = match name {
        _ if built() => return None,
        PAGE | DISPLAY => PLACEHOLDER_PAGE,
        "not_built.css" => PLACEHOLDER_STYLE,
        _ => return None,
    };
    let bytes = Cow::Borrowed(text.as_bytes());
    Some(Asset { bytes, mime: mime(name), etag: "\"not-built\"".into(), immutable: false })
}

/// 128 bits of the content's hash tell two builds apart.
fn etag(hash: &[u8; 32]) -> String {
    let hex: String = hash[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("\"{hex}\"")
}

/// The media type by the name's ending; the build makes no other kinds.
fn mime(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("json" | "webmanifest") => "application/json",
        Some("png") => "image/png",
        Some("woff2") => "font/woff2",
        Some("txt" | "map") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_always_a_page() {
        for path in ["/", "", "/till.html", "till.html"] {
            let page = asset(path).expect("a page, built or not");
            assert_eq!(page.mime, "text/html; charset=utf-8", "{path}");
            assert!(!page.immutable, "a page's name outlives its content");
            assert!(page.etag.starts_with('"') && page.etag.ends_with('"'));
        }
    }

    #[test]
    fn every_tills_display_is_one_page() {
        for path in ["/display/R1", "/display/R2", "/display"] {
            let page = asset(path).expect("a page, built or not");
            assert_eq!(page.mime, "text/html; charset=utf-8", "{path}");
        }
    }

    #[test]
    fn a_node_serves_no_console_and_a_hub_no_till() {
        assert!(asset("/admin.html").is_none());
        assert!(console("/till.html").is_none() && console("/display.html").is_none());
        assert_eq!(console("/").is_some(), built());
    }

    #[test]
    fn only_hashed_names_are_kept_for_good() {
        for name in Dist::iter() {
            let file = embedded(&name).expect("what is listed is there");
            assert_eq!(file.immutable, name.starts_with("assets/"), "{name}");
            assert_ne!(file.mime, "application/octet-stream", "{name} has no media type");
        }
    }

    #[test]
    fn nothing_outside_the_build_is_served() {
        for path in ["/nothing", "/../Cargo.toml", "/assets/../till.html", "/assets/"] {
            assert!(asset(path).is_none(), "{path}");
        }
    }

    #[test]
    fn no_page_needs_an_inline_script_or_style() {
        // The node's content security policy is `default-src 'self'`.
        for page in [asset("/"), asset("/display"), console("/")].into_iter().flatten() {
            let text = String::from_utf8(page.bytes.into_owned()).expect("UTF-8");
            assert!(!text.contains("<style") && !text.contains(" style="), "inline style");
            for script in text.split("<script").skip(1) {
                let tag = script.split('>').next().unwrap_or_default();
                assert!(tag.contains("src="), "inline script: {tag}");
            }
        }
    }
}
