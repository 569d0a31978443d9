//! How a board's text is written as bytes: UTF-8 with or without a byte order mark, LF or CRLF.
//!
//! Inside, text has neither mark nor CR LF; what was taken off is remembered and put back, so that a board goes back to
//! the disk the way it came. Nothing is guessed and nothing is replaced: what is not UTF-8 is refused with its place.

/// The byte order mark of UTF-8.
const BOM: &str = "\u{feff}";
/// A text in which at least one byte of this many is NUL is none.
const BYTES_PER_NUL_MIN: usize = 8;

/// What was taken off a text when it was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Encoding {
    /// It begins with a byte order mark.
    pub bom: bool,
    /// Every line ends in CR LF. A file with both kinds of line end is left as it is.
    pub crlf: bool,
}

/// Why bytes are not a board's text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodingError {
    /// Bytes that UTF-8 does not allow.
    #[error("line {line} is not UTF-8 (byte {offset} of the file)")]
    NotUtf8 {
        /// The line, from 1.
        line: usize,
        /// The offset of the first wrong byte.
        offset: usize,
    },
    /// UTF-16 or UTF-32.
    #[error("the text is encoded as {encoding}, not as UTF-8")]
    Wide {
        /// Its name, as iconv knows it.
        encoding: &'static str,
    },
    /// Mostly zero bytes: not text, or what a crash of another program left.
    #[error("the file is not text: {nuls} of its {bytes} bytes are NUL, the first one in line {line} (byte {offset})")]
    Binary {
        /// How many bytes are NUL.
        nuls: usize,
        /// How many bytes there are.
        bytes: usize,
        /// The line of the first NUL, from 1.
        line: usize,
        /// The offset of the first NUL.
        offset: usize,
    },
}

impl EncodingError {
    /// The way out.
    pub fn hint(&self) -> String {
        match self {
            EncodingError::NotUtf8 { .. } => {
                "open it in Emacs and save it with C-x RET f utf-8, or convert a copy with \
                 `iconv -f ISO-8859-1 -t UTF-8`"
                    .into()
            }
            EncodingError::Wide { encoding } => {
                format!("convert a copy with `iconv -f {encoding} -t UTF-8`, or save it in Emacs with C-x RET f utf-8")
            }
            EncodingError::Binary { .. } => "look at the file, and restore the board from a backup".into(),
        }
    }
}

impl Encoding {
    /// The bytes of `text` in this encoding.
    pub fn encode(self, text: &str) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(text.len() + BOM.len());
        if self.bom {
            bytes.extend_from_slice(BOM.as_bytes());
        }
        if !self.crlf {
            bytes.extend_from_slice(text.as_bytes());
            return bytes;
        }
        for line in text.split_inclusive('\n') {
            match line.strip_suffix('\n') {
                Some(line) => bytes.extend([line.as_bytes(), b"\r\n"].concat()),
                None => bytes.extend_from_slice(line.as_bytes()),
            }
        }
        bytes
    }
}

/// The text in `bytes` and how it was encoded. `encode` makes the same bytes of it again.
pub fn decode(bytes: Vec<u8>) -> Result<(String, Encoding), EncodingError> {
    refuse_wide(&bytes)?;
    refuse_binary(&bytes)?;
    let mut text = String::from_utf8(bytes).map_err(|e| {
        let offset = e.utf8_error().valid_up_to();
        EncodingError::NotUtf8 { line: line_of(e.as_bytes(), offset), offset }
    })?;
    let bom = text.starts_with(BOM);
    if bom {
        text.drain(..BOM.len());
    }
    let crlf = is_crlf(text.as_bytes());
    if crlf {
        text = text.replace("\r\n", "\n");
    }
    Ok((text, Encoding { bom, crlf }))
}

fn refuse_wide(bytes: &[u8]) -> Result<(), EncodingError> {
    let encoding = match bytes {
        [0xff, 0xfe, 0, 0, ..] => "UTF-32LE",
        [0, 0, 0xfe, 0xff, ..] => "UTF-32BE",
        [0xff, 0xfe, ..] => "UTF-16LE",
        [0xfe, 0xff, ..] => "UTF-16BE",
        _ => return Ok(()),
    };
    Err(EncodingError::Wide { encoding })
}

fn refuse_binary(bytes: &[u8]) -> Result<(), EncodingError> {
    let Some(offset) = memchr::memchr(0, bytes) else {
        return Ok(());
    };
    let nuls = memchr::memchr_iter(0, bytes).count();
    if nuls < bytes.len().div_ceil(BYTES_PER_NUL_MIN) {
        return Ok(());
    }
    Err(EncodingError::Binary { nuls, bytes: bytes.len(), line: line_of(bytes, offset), offset })
}

fn is_crlf(bytes: &[u8]) -> bool {
    let mut ends = memchr::memchr_iter(b'\n', bytes).peekable();
    ends.peek().is_some() && ends.all(|end| end > 0 && bytes[end - 1] == b'\r')
}

fn line_of(bytes: &[u8], offset: usize) -> usize {
    memchr::memchr_iter(b'\n', &bytes[..offset]).count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_a_whole_crlf_file_is_normalised() {
        let read = |bytes: &str| decode(bytes.into()).expect("it is text");
        assert_eq!(read("a\r\nb\r\n"), ("a\nb\n".into(), Encoding { bom: false, crlf: true }));
        assert_eq!(read("a\r\nb"), ("a\nb".into(), Encoding { bom: false, crlf: true }));
        assert_eq!(read("a\r\nb\n"), ("a\r\nb\n".into(), Encoding::default()));
        assert_eq!(read("\u{feff}* a"), ("* a".into(), Encoding { bom: true, crlf: false }));
        assert_eq!(read(""), (String::new(), Encoding::default()));
    }

    #[test]
    fn what_is_not_utf8_is_refused_with_its_place() {
        let refused = |bytes: &[u8]| decode(bytes.into()).expect_err("it is no text");
        assert_eq!(refused(b"ok\nab\xe4\n"), EncodingError::NotUtf8 { line: 2, offset: 5 });
        assert_eq!(refused(b"\xff\xfea\0\n\0"), EncodingError::Wide { encoding: "UTF-16LE" });
        assert!(refused(b"\xff\xfea\0").hint().contains("iconv -f UTF-16LE"));
        assert_eq!(refused(b"a\n\0b\0"), EncodingError::Binary { nuls: 2, bytes: 5, line: 2, offset: 2 });
        assert!(decode(b"one NUL \0 in a line of text is odd, but text".to_vec()).is_ok());
    }

    proptest! {
        #[test]
        fn a_file_goes_back_to_disk_as_it_came(bytes in "\u{feff}?([a\r]{0,3}(\n|\r\n)){0,6}[aä]?") {
            let (text, encoding) = decode(bytes.clone().into()).expect("it is text");
            prop_assert_eq!(encoding.encode(&text), bytes.into_bytes());
        }
    }
}
