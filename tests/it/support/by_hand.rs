//! Settings of tests that are run by hand: longer, larger, with other seeds.

/// Returns a variable of the environment. For runs by hand only.
#[expect(clippy::disallowed_methods, reason = "a test that is set up by hand")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
