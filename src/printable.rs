//! Which characters of a text may reach a terminal.

/// Returns whether a character controls a terminal or the direction of the text around it.
pub fn is_unsafe(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
