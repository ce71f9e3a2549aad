//! Papers as bytes for an ESC/POS printer.
//!
//! A line goes out as text where the printer's Windows-1252 page has every letter of it, else as a picture that the
//! caller draws (Vietnamese prints right that way). QR codes are drawn by the printer.

use crate::receipt::{Receipt, render_text};

/// What one print is to do beside its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Columns of the paper, 42 or 32 usually.
    pub columns: usize,
    /// The text of a QR code under the lines, of at most [`QR_BYTES_MAX`] bytes.
    pub qr: Option<String>,
    /// Whether the drawer is opened first.
    pub kick: bool,
    /// Whether the paper is cut at the end.
    pub cut: bool,
}

/// Black and white dots of one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Bytes of one row of dots; the highest bit is the leftmost dot, 1 is black.
    pub row_bytes: u16,
    /// The rows, from above; a whole number of rows.
    pub dots: Vec<u8>,
}

/// What can't be printed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are the numbers of the sentence above them")]
pub enum BadPrint {
    /// A QR code of nothing, or longer than a printer takes.
    #[error("a QR code of {bytes} bytes can't be printed")]
    Qr { bytes: usize },
    /// Not whole rows of dots, or too many of them.
    #[error("{bytes} bytes are not rows of {row_bytes}")]
    Picture { bytes: usize, row_bytes: u16 },
}

/// Most bytes of a QR code: a code of the middle correction level that a phone still reads from paper.
pub const QR_BYTES_MAX: usize = 700;

/// Escape and group separator, which every command begins with.
const ESC: u8 = 0x1b;
const GS: u8 = 0x1d;

/// Windows-1252 in the printer's list of code pages.
const PAGE_1252: u8 = 16;

/// The paper as bytes. `draw` turns a line that the printer's letters can't show into a picture; none where it
/// can't either, and then each letter that lacks prints as `?`.
///
/// # Errors
/// [`BadPrint`] for a QR code or a picture that no printer takes.
pub fn render(
    paper: &Receipt,
    job: &Job,
    draw: &dyn Fn(&str) -> Option<Picture>,
) -> Result<Vec<u8>, BadPrint> {
    let mut bytes = vec![ESC, b'@', ESC, b't', PAGE_1252];
    if job.kick {
        bytes.extend(drawer_kick());
    }
    for text in render_text(paper, job.columns).lines() {
        line(text, draw, &mut bytes)?;
    }
    if let Some(text) = &job.qr {
        qr(text, &mut bytes)?;
    }
    if job.cut {
        // Feeds to the knife, then cuts all but one point.
        bytes.extend([GS, b'V', 66, 3]);
    }
    Ok(bytes)
}

/// The pulse that opens the drawer at the printer's first pin: 50 ms on, 500 ms off.
pub fn drawer_kick() -> [u8; 5] {
    [ESC, b'p', 0, 25, 250]
}

fn line(text: &str, draw: &dyn Fn(&str) -> Option<Picture>, out: &mut Vec<u8>) -> Result<(), BadPrint> {
    let letters: Option<Vec<u8>> = text.chars().map(letter).collect();
    let picture = if letters.is_none() { draw(text) } else { None };
    match (letters, picture) {
        (None, Some(picture)) => raster(&picture, out)?,
        (letters, _) => {
            let marked = || text.chars().map(|c| letter(c).unwrap_or(b'?')).collect();
            out.extend(letters.unwrap_or_else(marked));
            out.push(b'\n');
        }
    }
    Ok(())
}

/// A letter of Windows-1252; none for what it lacks.
fn letter(c: char) -> Option<u8> {
    const HIGH: [(char, u8); 14] = [
        ('€', 0x80),
        ('‚', 0x82),
        ('„', 0x84),
        ('…', 0x85),
        ('Š', 0x8a),
        ('Ž', 0x8e),
        ('‘', 0x91),
        ('’', 0x92),
        ('“', 0x93),
        ('”', 0x94),
        ('•', 0x95),
        ('–', 0x96),
        ('—', 0x97),
        ('š', 0x9a),
    ];
    match u32::from(c) {
        0x20..=0x7e | 0xa0..=0xff => u8::try_from(u32::from(c)).ok(),
        _ => HIGH.iter().find(|(known, _)| *known == c).map(|(_, byte)| *byte),
    }
}

fn raster(picture: &Picture, out: &mut Vec<u8>) -> Result<(), BadPrint> {
    let (bytes, row_bytes) = (picture.dots.len(), picture.row_bytes);
    let bad = BadPrint::Picture { bytes, row_bytes };
    let row = usize::from(row_bytes);
    if row == 0 || bytes == 0 || bytes % row != 0 {
        return Err(bad);
    }
    let Ok(rows) = u16::try_from(bytes / row) else { return Err(bad) };
    out.extend([GS, b'v', b'0', 0]);
    out.extend(row_bytes.to_le_bytes());
    out.extend(rows.to_le_bytes());
    out.extend(&picture.dots);
    Ok(())
}

/// Model 2, dots of 6, correction level M, in the middle of the paper.
fn qr(text: &str, out: &mut Vec<u8>) -> Result<(), BadPrint> {
    let bytes = text.len();
    let stored = u16::try_from(bytes + 3).ok().filter(|_| (1..=QR_BYTES_MAX).contains(&bytes));
    let stored = stored.ok_or(BadPrint::Qr { bytes })?;
    out.extend([ESC, b'a', 1]);
    out.extend([GS, b'(', b'k', 4, 0, 49, 65, 50, 0]);
    out.extend([GS, b'(', b'k', 3, 0, 49, 67, 6]);
    out.extend([GS, b'(', b'k', 3, 0, 49, 69, 49]);
    out.extend([GS, b'(', b'k']);
    out.extend(stored.to_le_bytes());
    out.extend([49, 80, 48]);
    out.extend(text.as_bytes());
    out.extend([GS, b'(', b'k', 3, 0, 49, 81, 48]);
    out.extend([ESC, b'a', 0]);
    Ok(())
}
