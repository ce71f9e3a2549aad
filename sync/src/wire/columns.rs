//! Byte columns: like stands beside like, which is what a general compressor wants.

use super::UnpackError;
use serde::{Serialize, de::DeserializeOwned};

/// One column being written.
#[derive(Default)]
pub(super) struct Column(Vec<u8>);

impl Column {
    pub(super) fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    pub(super) fn uint(&mut self, mut value: u64) {
        loop {
            let low = (value & 0x7f).to_le_bytes()[0];
            value >>= 7;
            if value == 0 {
                return self.0.push(low);
            }
            self.0.push(low | 0x80);
        }
    }

    pub(super) fn int(&mut self, value: i64) {
        self.uint(((value << 1) ^ (value >> 63)).cast_unsigned());
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.uint(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        self.raw(bytes);
    }

    pub(super) fn value<T: Serialize>(&mut self, value: &T) {
        // Encoding into memory can't fail for the types of documents; a failure would show as another hash.
        if let Ok(bytes) = postcard::to_allocvec(value) {
            self.raw(&bytes);
        }
    }
}

macro_rules! columns {
    ($($name:ident),*) => {
        /// A payload being written.
        #[derive(Default)]
        pub(super) struct Columns { $( pub(super) $name: Column, )* }

        /// A payload being read.
        pub(super) struct Reader<'a> { $( pub(super) $name: Cursor<'a>, )* }

        impl Columns {
            pub(super) fn finish(self, form: u8) -> Vec<u8> {
                let mut payload = Column(vec![form]);
                $( payload.bytes(&self.$name.0); )*
                payload.0
            }
        }

        impl<'a> Reader<'a> {
            pub(super) fn new(payload: &'a [u8], form: u8) -> Result<Self, UnpackError> {
                let mut payload = Cursor(payload);
                let got = payload.byte()?;
                if got != form {
                    return Err(UnpackError::UnknownForm(got));
                }
                Ok(Self { $( $name: Cursor(payload.bytes()?), )* })
            }
        }
    };
}

columns!(shape, flags, time, ids, skus, quantities, amounts, literals);

/// One column being read.
pub(super) struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    pub(super) fn byte(&mut self) -> Result<u8, UnpackError> {
        let (first, rest) = self.0.split_first().ok_or(UnpackError::Malformed("cut off"))?;
        self.0 = rest;
        Ok(*first)
    }

    pub(super) fn uint(&mut self) -> Result<u64, UnpackError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(UnpackError::Malformed("number"))
    }

    pub(super) fn small(&mut self) -> Result<u16, UnpackError> {
        u16::try_from(self.uint()?).map_err(|_| UnpackError::Malformed("number"))
    }

    pub(super) fn int(&mut self) -> Result<i64, UnpackError> {
        let value = self.uint()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    pub(super) fn raw(&mut self, len: usize) -> Result<&'a [u8], UnpackError> {
        let (bytes, rest) = self.0.split_at_checked(len).ok_or(UnpackError::Malformed("cut off"))?;
        self.0 = rest;
        Ok(bytes)
    }

    pub(super) fn bytes(&mut self) -> Result<&'a [u8], UnpackError> {
        let len = usize::try_from(self.uint()?).map_err(|_| UnpackError::Malformed("length"))?;
        self.raw(len)
    }

    pub(super) fn value<T: DeserializeOwned>(&mut self) -> Result<T, UnpackError> {
        let (value, rest) = postcard::take_from_bytes(self.0).map_err(|_| UnpackError::Malformed("value"))?;
        self.0 = rest;
        Ok(value)
    }
}
