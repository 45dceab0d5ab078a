//! Makes text from outside (object names, records, server messages) safe to show on a terminal.

/// Returns whether a character controls a terminal or the text direction, or is invisible; line ends are not.
pub(crate) fn is_unsafe_char(character: char) -> bool {
    character.is_control() && character != '\n'
        || matches!(
            character,
            '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
                | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
}

/// Replaces unsafe characters in text of several lines.
pub(crate) fn multiline(text: &str) -> String {
    text.chars().map(|c| if is_unsafe_char(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// Replaces unsafe characters and line ends.
pub(crate) fn single_line(line: &str) -> String {
    multiline(line).replace('\n', "\u{fffd}")
}

/// Escapes unsafe characters in JSON without changing its meaning; they can only occur in strings.
pub(crate) fn escape_json(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for character in json.chars() {
        if is_unsafe_char(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                shown.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::{escape_json, is_unsafe_char, multiline};

    #[test]
    fn control_characters_are_replaced() {
        let attack = "a\u{1b}[2J\u{9b}31m\u{202e}b\r\u{7}é\nc";
        assert_eq!(multiline(attack), "a\u{fffd}[2J\u{fffd}31m\u{fffd}b\u{fffd}\u{fffd}é\nc");
        assert!(!super::single_line(attack).contains('\n'));
    }

    #[test]
    fn escaped_json_has_no_controls_and_equal_value() {
        let text = "a\u{9b}31m\u{7f}\u{202e}\u{e0041}é\u{1b}]0;x\u{7}";
        let shown = escape_json(&serde_json::to_string(text).unwrap());
        assert!(!shown.chars().any(is_unsafe_char), "{shown}");
        assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), text);
    }
}
