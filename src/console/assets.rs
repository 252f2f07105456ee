//! The files of the console, compiled in.

/// A file below `/console/`.
#[derive(Debug)]
pub(super) struct Asset {
    /// Its path below `/console/`.
    pub(super) path: &'static str,
    pub(super) content_type: &'static str,
    pub(super) content: &'static [u8],
}

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SVG: &str = "image/svg+xml";

macro_rules! asset {
    ($path:literal, $content_type:expr) => {
        Asset {
            path: $path,
            content_type: $content_type,
            content: include_bytes!(concat!("assets/", $path)),
        }
    };
}

/// Every file; a test compares the list with the folder.
pub(super) const ASSETS: &[Asset] = &[
    asset!("index.html", HTML),
    asset!("icon.svg", SVG),
    asset!("style.css", STYLE),
    asset!("layout.css", STYLE),
    asset!("api.js", SCRIPT),
    asset!("bulk.js", SCRIPT),
    asset!("dialogs.js", SCRIPT),
    asset!("dom.js", SCRIPT),
    asset!("files.js", SCRIPT),
    asset!("geometry.js", SCRIPT),
    asset!("grid.js", SCRIPT),
    asset!("groups.js", SCRIPT),
    asset!("i18n.js", SCRIPT),
    asset!("keys.js", SCRIPT),
    asset!("listing.js", SCRIPT),
    asset!("main.js", SCRIPT),
    asset!("session.js", SCRIPT),
    asset!("views.js", SCRIPT),
    asset!("screens/compare.js", SCRIPT),
    asset!("screens/duplicates.js", SCRIPT),
    asset!("screens/image.js", SCRIPT),
    asset!("screens/library.js", SCRIPT),
    asset!("screens/search.js", SCRIPT),
    asset!("screens/state.js", SCRIPT),
    asset!("strings/en.js", SCRIPT),
    asset!("strings/zh.js", SCRIPT),
];
