//! Texts from elsewhere on a terminal: names of objects, records, what a server said. None of them steers it.

/// Whether a character steers a terminal or the direction of its text, or cannot be seen; the end of a line does not.
pub(crate) fn is_hidden(character: char) -> bool {
    character.is_control() && character != '\n'
        || matches!(
            character,
            '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
                | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
}

/// The text with a sign in the place of what is hidden.
pub(crate) fn text(text: &str) -> String {
    text.chars().map(|c| if is_hidden(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// The same on one line.
pub(crate) fn line(line: &str) -> String {
    text(line).replace('\n', "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::{line, text};

    #[test]
    fn nothing_that_steers_is_left() {
        let attack = "a\u{1b}[2J\u{9b}31m\u{202e}b\r\u{7}é\nc";
        assert_eq!(text(attack), "a\u{fffd}[2J\u{fffd}31m\u{fffd}b\u{fffd}\u{fffd}é\nc");
        assert!(!line(attack).contains('\n'));
    }
}
