//! Lines of letters that a receipt printer lacks, drawn as dots: Latin with any marks above and below, so that
//! Vietnamese prints right. A letter and its marks are put together where the font has them only apart.

use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster};
use tradepost_commerce::esc_pos::Picture;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::compose;

/// Dots of one column, and of a line with room above and below for marks.
const WIDTH: usize = 12;
const HEIGHT: usize = 30;
/// Where the font's box begins, from above.
const BOX_TOP: usize = 7;
/// How dark a point of the font must be to be a dot.
const DARK: u8 = 96;

/// Dots of one column.
type Cell = [[bool; WIDTH]; HEIGHT];

/// A line as a picture; none where a letter of it can't be drawn either.
pub fn draw(line: &str) -> Option<Picture> {
    let cells: Vec<Cell> = line.nfc().map(cell).collect::<Option<_>>()?;
    let row_bytes = (cells.len() * WIDTH).div_ceil(8);
    let mut dots = vec![0u8; row_bytes * HEIGHT];
    for (column, cell) in cells.iter().enumerate() {
        for (y, row) in cell.iter().enumerate() {
            for x in (0..WIDTH).filter(|x| row[*x]) {
                let dot = column * WIDTH + x;
                dots[y * row_bytes + dot / 8] |= 0x80 >> (dot % 8);
            }
        }
    }
    Some(Picture { row_bytes: u16::try_from(row_bytes).ok()?, dots })
}

/// One letter with its marks.
fn cell(letter: char) -> Option<Cell> {
    if let Some(cell) = of_font(letter) {
        return Some(cell);
    }
    let mut parts = std::iter::once(letter).nfd();
    let mut base = parts.next()?;
    let mut apart = Vec::new();
    for mark in parts {
        match compose(base, mark).filter(|both| of_font(*both).is_some()) {
            Some(both) => base = both,
            None => apart.push(mark),
        }
    }
    let mut cell = of_font(base)?;
    apart.into_iter().try_for_each(|mark| put(&mut cell, mark))?;
    Some(cell)
}

fn of_font(letter: char) -> Option<Cell> {
    let raster = get_raster(letter, FontWeight::Regular, RasterHeight::Size20)?;
    let mut cell = [[false; WIDTH]; HEIGHT];
    for (y, row) in raster.rows().enumerate() {
        for (x, dark) in row.iter().enumerate().take(WIDTH) {
            if let Some(dot) = cell.get_mut(BOX_TOP + y) {
                dot[x] = *dark >= DARK;
            }
        }
    }
    Some(cell)
}

/// Where a mark goes.
enum At {
    Above,
    Below,
    Shoulder,
}

/// The marks that letters are written with, in dots.
fn mark_of(mark: char) -> Option<(At, &'static [&'static str])> {
    Some(match mark {
        '\u{300}' => (At::Above, &["##...", ".##..", "..##."]),
        '\u{301}' => (At::Above, &["...##", "..##.", ".##.."]),
        '\u{302}' => (At::Above, &["..##..", ".#..#.", "#....#"]),
        '\u{303}' => (At::Above, &[".##..#", "#..##."]),
        '\u{306}' => (At::Above, &["#....#", ".####."]),
        '\u{308}' => (At::Above, &["##.##", "##.##"]),
        '\u{309}' => (At::Above, &[".##.", "...#", "..#."]),
        '\u{31b}' => (At::Shoulder, &["##", ".#", "#."]),
        '\u{323}' => (At::Below, &["##", "##"]),
        _ => return None,
    })
}

/// Puts a mark to the letter: above or below whatever ink is there.
fn put(cell: &mut Cell, mark: char) -> Option<()> {
    let (at, dots) = mark_of(mark)?;
    let inked = |y: &usize| cell[*y].iter().any(|dot| *dot);
    let (top, bottom) = ((0..HEIGHT).find(inked)?, (0..HEIGHT).rev().find(inked)?);
    let width = dots.iter().map(|row| row.len()).max()?;
    let (left, first) = match at {
        At::Above => ((WIDTH - width) / 2, top.saturating_sub(dots.len() + 1)),
        At::Below => ((WIDTH - width) / 2, (bottom + 2).min(HEIGHT - dots.len())),
        At::Shoulder => (WIDTH - width, top.saturating_sub(1)),
    };
    for (y, row) in dots.iter().enumerate() {
        for (x, _) in row.bytes().enumerate().filter(|(_, dot)| *dot == b'#') {
            cell[first + y][left + x] = true;
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LETTERS: &str = "aàáảãạăằắẳẵặâầấẩẫậeèéẻẽẹêềếểễệiìíỉĩịoòóỏõọôồốổỗộơờớởỡợuùúủũụưừứửữựyỳýỷỹỵđ";

    fn shown(cell: &Cell) -> String {
        cell.iter()
            .map(|row| row.map(|dot| if dot { '#' } else { '.' }).iter().collect::<String>() + "\n")
            .collect()
    }

    #[test]
    fn every_vietnamese_letter_is_drawn_and_no_two_alike() {
        let all: Vec<char> = LETTERS.chars().chain(LETTERS.to_uppercase().chars()).collect();
        let mut seen = std::collections::BTreeMap::new();
        for letter in all {
            let cell = cell(letter).unwrap_or_else(|| panic!("{letter} can't be drawn"));
            assert!(shown(&cell).contains('#'), "{letter} is empty");
            if let Some(other) = seen.insert(shown(&cell), letter) {
                panic!("{letter} and {other} look alike:\n{}", shown(&cell));
            }
        }
    }

    #[test]
    fn a_line_is_whole_rows_as_wide_as_its_letters() {
        let picture = draw("Đường tinh luyện 1kg").unwrap();
        assert_eq!(picture.row_bytes, 30, "20 columns of 12 dots");
        assert_eq!(picture.dots.len(), 30 * HEIGHT);
        assert_eq!(draw("茶"), None, "what no letter of ours is, is the printer's");
    }
}
