//! How many columns a text takes on a printer with characters of one width.

/// Columns of one character: none for marks that stand on the one before, two for wide East Asian characters.
pub(crate) fn columns_of(c: char) -> usize {
    match u32::from(c) {
        0x0300..=0x036f | 0x1ab0..=0x1aff | 0x1dc0..=0x1dff | 0x200b..=0x200f | 0x2060 => 0,
        0x20d0..=0x20ff | 0xfe00..=0xfe0f | 0xfe20..=0xfe2f | 0xfeff => 0,
        0x1100..=0x115f | 0x2e80..=0x303e | 0x3041..=0x4dbf | 0x4e00..=0xa4cf | 0xac00..=0xd7a3 => 2,
        0xf900..=0xfaff | 0xfe30..=0xfe6f | 0xff00..=0xff60 | 0xffe0..=0xffe6 => 2,
        0x1f300..=0x1f64f | 0x1f900..=0x1f9ff | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

/// Columns of a text.
pub(crate) fn columns(text: &str) -> usize {
    text.chars().map(columns_of).sum()
}

/// Breaks a text into lines of at most `width` columns, at spaces where there are any, else anywhere.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        put(word, &mut lines, width.max(2));
    }
    lines
}

fn put(word: &str, lines: &mut Vec<String>, width: usize) {
    let used = lines.last().map_or(0, |line| columns(line));
    let gap = usize::from(used > 0);
    if used > 0 && used + gap + columns(word) > width {
        lines.push(String::new());
    } else if gap == 1 {
        push(lines, ' ');
    }
    for c in word.chars() {
        if lines.last().map_or(0, |line| columns(line)) + columns_of(c) > width {
            lines.push(String::new());
        }
        push(lines, c);
    }
}

fn push(lines: &mut [String], c: char) {
    if let Some(line) = lines.last_mut() {
        line.push(c);
    }
}

/// `left` and `right` at the two edges of `width` columns; a left side that is too long goes over several lines.
pub(crate) fn edges(left: &str, right: &str, width: usize) -> Vec<String> {
    let room = width.saturating_sub(columns(right) + 1).max(2);
    let mut lines = wrap(left, room);
    if let Some(last) = lines.last_mut() {
        let gap = width.saturating_sub(columns(last) + columns(right)).max(1);
        last.push_str(&" ".repeat(gap));
        last.push_str(right);
    }
    lines
}

/// `text` in the middle of `width` columns.
pub(crate) fn centred(text: &str, width: usize) -> Vec<String> {
    let pad = |line: String| format!("{}{line}", " ".repeat(width.saturating_sub(columns(&line)) / 2));
    wrap(text, width).into_iter().map(pad).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vietnamese_takes_one_column_a_letter_composed_or_not() {
        assert_eq!(columns("Đường phèn"), 10);
        assert_eq!(columns("sữa"), 3);
        assert_eq!(columns("su\u{31b}\u{303}a"), 3);
        assert_eq!(columns("茶"), 2);
    }

    #[test]
    fn long_words_and_long_lines_break() {
        assert_eq!(wrap("Trà xanh không độ", 9), ["Trà xanh", "không độ"]);
        assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(edges("Nước mắm", "45000", 12), ["Nước", "mắm    45000"]);
        assert_eq!(centred("ab", 6), ["  ab"]);
    }
}
